// Package ports gives tests and benchmarks ports for servers that they start as other processes.
//
// To listen at port 0 and to close again is not enough: until the server listens there, and whenever it is
// restarted, the kernel may have given the port to another listener, or to a connection.
package ports
