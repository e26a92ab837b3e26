(function () {
  "use strict";

  // SHA-256 (FIPS 180-4) of a string of characters below 256.
  var K = [], H = [];
  (function () {
    var n = 2, found = 0, i;
    function fraction(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
    for (; found < 64; n++) {
      for (i = 2; i * i <= n && n % i !== 0; i++) {}
      if (i * i <= n) { continue; }
      if (found < 8) { H[found] = fraction(Math.pow(n, 1 / 2)); }
      K[found++] = fraction(Math.pow(n, 1 / 3));
    }
  })();
  function rotate(x, n) { return (x >>> n) | (x << (32 - n)); }
  function sha256(text) {
    var bytes = [], h = H.slice(), w = [], i, j, a, s0, s1, t1, t2, v;
    for (i = 0; i < text.length; i++) { bytes.push(text.charCodeAt(i)); }
    bytes.push(128);
    while (bytes.length % 64 !== 56) { bytes.push(0); }
    for (i = 7; i >= 0; i--) { bytes.push(Math.floor(text.length * 8 / Math.pow(256, i)) & 255); }
    for (i = 0; i < bytes.length; i += 64) {
      v = h.slice();
      for (j = 0; j < 64; j++) {
        if (j < 16) {
          a = i + 4 * j;
          w[j] = (bytes[a] << 24) | (bytes[a + 1] << 16) | (bytes[a + 2] << 8) | bytes[a + 3];
        } else {
          s0 = rotate(w[j - 15], 7) ^ rotate(w[j - 15], 18) ^ (w[j - 15] >>> 3);
          s1 = rotate(w[j - 2], 17) ^ rotate(w[j - 2], 19) ^ (w[j - 2] >>> 10);
          w[j] = (w[j - 16] + s0 + w[j - 7] + s1) | 0;
        }
        t1 = (v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
          ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[j] + w[j]) | 0;
        t2 = ((rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))) | 0;
        v = [(t1 + t2) | 0, v[0], v[1], v[2], (v[3] + t1) | 0, v[4], v[5], v[6]];
      }
      for (j = 0; j < 8; j++) { h[j] = (h[j] + v[j]) | 0; }
    }
    return h;
  }

  function base64url(words) {
    var alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", out = "", bits = 0, n = 0, i, j;
    for (i = 0; i < words.length; i++) {
      for (j = 24; j >= 0; j -= 8) {
        bits = ((bits << 8) | ((words[i] >>> j) & 255)) & 65535;
        n += 8;
        while (n >= 6) { n -= 6; out += alphabet.charAt((bits >>> n) & 63); }
      }
    }
    return n > 0 ? out + alphabet.charAt((bits << (6 - n)) & 63) : out;
  }

  // The state of the browser at this server: a cookie that changes with the session.
  function browserState() {
    var parts = document.cookie.split(";"), i, part;
    for (i = 0; i < parts.length; i++) {
      part = parts[i].replace(/^\s+|\s+$/g, "");
      if (part.indexOf("ST-S=") === 0) { return part.substring(5); }
    }
    return "";
  }

  // answer says "unchanged", "changed" or "error" (OIDC Session Management §3.1).
  function answer(data, origin) {
    var space, client, state, dot, salt;
    if (typeof data !== "string" || data.length > 4096 || !/^[\x20-\x7e]+$/.test(data)) { return "error"; }
    space = data.lastIndexOf(" ");
    client = data.substring(0, space);
    state = data.substring(space + 1);
    dot = state.lastIndexOf(".");
    salt = state.substring(dot + 1);
    if (space < 1 || dot < 1 || salt === "") { return "error"; }
    return state === base64url(sha256(client + " " + origin + " " + browserState() + " " + salt)) + "." + salt ?
      "unchanged" : "changed";
  }

  window.addEventListener("message", function (e) {
    // A document without an origin cannot be answered, and is no client's.
    if (!e.source || !e.origin || e.origin === "null") { return; }
    e.source.postMessage(answer(e.data, e.origin), e.origin);
  }, false);
})();
