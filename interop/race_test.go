//go:build race

package interop

// raceEnabled says whether the tests run with the race detector; the program
// under test is then built with it too.
const raceEnabled = true
