package wire_test

import (
	"fmt"
	"testing"

	"mailstead/imapd/wire"
)

func TestReadQResync(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"a SELECT x (QRESYNC (5 9))", "{5 9   }"},
		{"a SELECT x (QRESYNC (5 9 1:3,7))", "{5 9 1:3,7  }"},
		{"a SELECT x (CONDSTORE QRESYNC (5 9 1:3 (1,3 2:3)))", "{5 9 1:3 1,3 2:3}"},
		{"a EXAMINE x (QRESYNC (5 9223372036854775807 (1 2)))", "{5 9223372036854775807  1 2}"},
	} {
		c, err := reader(tc.in + "\r\n").ReadCommand()
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if got := fmt.Sprint(*c.Args.(wire.SelectArgs).QResync); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.in, got, tc.want)
		}
	}
}
