package peer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// meter measures the processes of one system. Where a control group (version 2)
// can be made, it holds them all, and counts those that have ended; elsewhere the
// process table is walked from the daemons down, which misses processes that
// ended and were left to init.
type meter struct {
	group string   // directory of the control group; empty without
	dir   *os.File // open on it, for starting processes inside
}

// newMeter makes a control group, if that is allowed here.
func newMeter(name string) *meter {
	root := groupRoot()
	if root == "" {
		return &meter{}
	}
	group := filepath.Join(root, fmt.Sprintf("mailstead-bench-%d-%s", os.Getpid(), name))
	if err := os.Mkdir(group, 0o755); err != nil {
		return &meter{}
	}
	dir, err := os.Open(group)
	if err == nil {
		if _, err = os.Stat(filepath.Join(group, "cpu.stat")); err == nil {
			return &meter{group: group, dir: dir}
		}
		err = dir.Close()
	}
	if err = errors.Join(err, os.Remove(group)); err != nil {
		fmt.Fprintf(os.Stderr, "bench: no control group: %v\n", err)
	}
	return &meter{}
}

// groupRoot finds where control groups of version 2 are mounted.
func groupRoot() string {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}

// include makes a process about to start part of the group.
func (m *meter) include(attr *syscall.SysProcAttr) {
	if m.dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(m.dir.Fd())
	}
}

func (m *meter) cpu(daemons []*daemon) (time.Duration, error) {
	if m.group == "" {
		return treeCPU(daemons)
	}
	stat, err := os.ReadFile(filepath.Join(m.group, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(stat)) {
		if rest, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Duration(n) * time.Microsecond, err
		}
	}
	return 0, errors.New("cpu.stat has no usage_usec")
}

// pids are the processes now.
func (m *meter) pids(daemons []*daemon) ([]int, error) {
	if m.group == "" {
		return tree(daemons)
	}
	list, err := os.ReadFile(filepath.Join(m.group, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, f := range strings.Fields(string(list)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		out = append(out, pid)
	}
	return out, nil
}

func (m *meter) memory(daemons []*daemon) (int64, error) {
	pids, err := m.pids(daemons)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range pids {
		n, err := pss(pid)
		if err != nil && !gone(err) {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// gone tells whether an error means that the process has ended meanwhile.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// pss reads the proportional share of one process, in bytes.
func pss(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, nil // a process about to end has no memory
}

// sweep waits for the end of all that daemons have left behind, and kills it
// when that takes long. Not with cgroup.kill: on some kernels it also kills what
// is started in the group later.
func (m *meter) sweep() error {
	if m.group == "" {
		return nil
	}
	const grace, most = 500, 1000
	for try := range most {
		pids, err := m.pids(nil)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if try < grace {
				break
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		time.Sleep(pollTime)
	}
	return errors.New("processes are left that cannot be killed")
}

// close removes the group, which must be empty.
func (m *meter) close() error {
	if m.group == "" {
		return nil
	}
	return errors.Join(m.dir.Close(), os.Remove(m.group))
}

// process is a line of the process table.
type process struct {
	pid, parent int
	ticks       int64 // user and system, with those of children waited for
}

// tree finds the daemons and all below them.
func tree(daemons []*daemon) ([]int, error) {
	all, err := below(daemons)
	var out []int
	for _, p := range all {
		out = append(out, p.pid)
	}
	return out, err
}

func treeCPU(daemons []*daemon) (time.Duration, error) {
	all, err := below(daemons)
	var sum int64
	for _, p := range all {
		sum += p.ticks
	}
	return time.Duration(sum) * (time.Second / 100), err // USER_HZ is 100 on Linux
}

func below(daemons []*daemon) ([]process, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]process{}
	byPID := map[int]process{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(text); ok {
			children[p.parent] = append(children[p.parent], p)
			byPID[p.pid] = p
		}
	}
	var out []process
	for _, d := range daemons {
		if p, ok := byPID[d.cmd.Process.Pid]; ok {
			out = append(out, p)
		}
	}
	for i := 0; i < len(out); i++ { // grows while it runs
		out = append(out, children[out[i].pid]...)
	}
	return out, nil
}

// parseStat reads /proc/PID/stat; the name in it may hold anything.
func parseStat(text []byte) (process, bool) {
	end := bytes.LastIndexByte(text, ')')
	first, _, ok := bytes.Cut(text, []byte(" "))
	if end < 0 || !ok {
		return process{}, false
	}
	sc := bufio.NewScanner(bytes.NewReader(text[end+1:]))
	sc.Split(bufio.ScanWords)
	var nums []int64
	for sc.Scan() {
		n, err := strconv.ParseInt(sc.Text(), 10, 64)
		if err != nil {
			n = 0 // the state is a letter
		}
		nums = append(nums, n)
	}
	pid, err := strconv.Atoi(string(first))
	if err != nil || len(nums) < 15 {
		return process{}, false
	}
	// proc(5): after the name come state, ppid, …; utime is field 14, cstime 17.
	return process{pid: pid, parent: int(nums[1]), ticks: nums[11] + nums[12] + nums[13] + nums[14]}, true
}
