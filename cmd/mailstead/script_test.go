package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mailstead": main})
}

// logWait is how long a script waits for a line of the server's log.
const logWait = 20 * time.Second

// served is a server a script has started.
type served struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at the end of its log
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // one slot: the log has grown
}

type servedKey struct{}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Values[servedKey{}] = &served{done: make(chan struct{}), more: make(chan struct{}, 1)}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit": cmdExit, "serve": cmdServe, "reload": cmdReload, "log": cmdLog, "shutdown": cmdShutdown,
			"fill": cmdFill, "expunge": cmdExpunge, "spoil": cmdSpoil,
		},
	})
}

// cmdExit is: exit CODE COMMAND ARGS...
func cmdExit(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ProcessState.String()[len("exit status "):]
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("got exit code %s, want %s", code, args[0])
	}
}

func server(ts *testscript.TestScript) *served { return ts.Value(servedKey{}).(*served) }

// cmdServe is: serve CONFIG. It returns once the server listens.
func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	s := server(ts)
	path := ""
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), ":") {
		if _, err := os.Stat(dir + "/mailstead"); err == nil {
			path = dir + "/mailstead"
			break
		}
	}
	s.cmd = exec.Command(path, "serve", "--config", ts.MkAbs(args[0]))
	errPipe, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	go s.follow(errPipe)
	ts.Defer(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill() // the script has failed
			<-s.done
			_ = s.cmd.Wait()
		}
	})
	s.await(ts, "server started")
}

func (s *served) follow(r io.Reader) {
	defer close(s.done)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		s.mu.Lock()
		s.text.WriteString(lines.Text() + "\n")
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

func (s *served) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits for a line of the log.
func (s *served) await(ts *testscript.TestScript, pattern string) {
	re, late := regexp.MustCompile(pattern), time.After(logWait)
	for !re.MatchString(s.logged()) {
		select {
		case <-s.more:
		case <-s.done:
			if !re.MatchString(s.logged()) {
				ts.Fatalf("server ended without %q in its log:\n%s", pattern, s.logged())
			}
		case <-late:
			ts.Fatalf("no %q in the log:\n%s", pattern, s.logged())
		}
	}
}

// cmdReload is: reload PATTERN. It sends SIGHUP and waits for the pattern.
func cmdReload(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(server(ts).cmd.Process.Signal(syscall.SIGHUP))
	server(ts).await(ts, args[0])
}

// cmdLog is: log PATTERN.
func cmdLog(ts *testscript.TestScript, _ bool, args []string) { server(ts).await(ts, args[0]) }

// cmdShutdown is: shutdown (testscript has a stop of its own, which ends the script). The server must end with exit code 0.
func cmdShutdown(ts *testscript.TestScript, _ bool, _ []string) {
	s := server(ts)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.done
	ts.Check(s.cmd.Wait())
}
