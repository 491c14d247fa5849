package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTime is how long a daemon may take to end before it is killed.
const stopTime = 30 * time.Second

// daemon is one process of a server that stays in the foreground, with the
// processes it starts.
type daemon struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of the process; set before done is closed
}

// spawn starts a program that logs into the system's directory.
func (s *System) spawn(name string, program string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own copy
	d := &daemon{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = s.dir, log, log
	// A session of its own (Postfix wants it, too): Ctrl-C is for the generator, which then stops it.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.meter.include(d.cmd.SysProcAttr)
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	s.daemons = append(s.daemons, d)
	return nil
}

// stop asks it to end, waits, and kills it when it does not.
func (d *daemon) stop() error {
	select {
	case <-d.done:
		return fmt.Errorf("%s had ended: %w", d.name, d.err)
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-d.done:
		return nil // servers differ in the exit code for being told to stop
	case <-time.After(stopTime):
	}
	err := fmt.Errorf("%s did not stop within %v", d.name, stopTime)
	if killErr := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL); killErr != nil {
		return fmt.Errorf("%w; kill: %w", err, killErr)
	}
	<-d.done
	return err
}
