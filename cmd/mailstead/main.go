// Command mailstead is the mail server.
package main

func main() {}
