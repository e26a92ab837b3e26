(function () {
  var left = false;
  function go() {
    var next = document.getElementById('next');
    if (next && !left) {
      left = true;
      window.location.replace(next.href);
    }
  }
  window.addEventListener('load', go);
  setTimeout(go, 5000);
})();
