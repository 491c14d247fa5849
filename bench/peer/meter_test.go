package peer

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestProcessTableLine(t *testing.T) {
	t.Parallel()
	const text = "42 (odd ) name) S 7 42 42 0 -1 4194560 100 200 0 0 3 4 5 6 20 0 1 0 100 200 300"
	p, ok := parseStat([]byte(text))
	if !ok || p.pid != 42 || p.parent != 7 || p.ticks != 3+4+5+6 {
		t.Errorf("got %+v, %v", p, ok)
	}
	for _, bad := range []string{"", "42", "42 (name", "42 (name) S 7"} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q: taken for a line of the process table", bad)
		}
	}
}

func TestMeterWithoutControlGroup(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	m, d := &meter{}, []*daemon{{cmd: cmd}}
	pids, err := m.pids(d)
	if err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("processes: got %v, %v, want %d", pids, err, cmd.Process.Pid)
	}
	if n, err := m.memory(d); err != nil || n <= 0 {
		t.Errorf("memory: got %d, %v", n, err)
	}
	if _, err := m.cpu([]*daemon{{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}}); err != nil {
		t.Error(err)
	}
}
