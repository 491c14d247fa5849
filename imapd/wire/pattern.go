package wire

// MatchPattern tells whether name matches a LIST pattern: "*" is anything, "%"
// anything but delim (RFC 9051 §6.3.9). Its time is at most the product of both
// lengths.
func MatchPattern(pattern, name string, delim byte) bool {
	// state[i]: the pattern's first i bytes match what was seen of name.
	state := make([]bool, len(pattern)+1)
	state[0] = true
	wild := func() {
		for i := range len(pattern) {
			if state[i] && (pattern[i] == '*' || pattern[i] == '%') {
				state[i+1] = true
			}
		}
	}
	wild()
	for j := range len(name) {
		for i := len(pattern); i > 0; i-- {
			switch p := pattern[i-1]; p {
			case '*':
			case '%':
				state[i] = state[i] && name[j] != delim
			default:
				state[i] = state[i-1] && p == name[j]
			}
		}
		state[0] = false
		wild()
	}
	return state[len(pattern)]
}
