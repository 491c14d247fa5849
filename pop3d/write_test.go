package pop3d

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A client may think for as long as the idle timeout allows and must then still
// get an answer of any length.
func TestEveryWriteHasItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		w := timedWriter{server}
		read := make(chan error, 1)
		for range 3 {
			go func() {
				_, err := io.ReadFull(client, make([]byte, 4))
				read <- err
			}()
			if _, err := w.Write([]byte("+OK ")); err != nil {
				t.Fatal(err)
			}
			if err := <-read; err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * writeTimeout)
		}
		began := time.Now()
		if _, err := w.Write([]byte("nobody reads this")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
		if d := time.Since(began); d != writeTimeout {
			t.Errorf("got %v, want %v", d, writeTimeout)
		}
	})
}
