package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
)

// ErrNotRunning is what Dial gives when no server answers at the socket.
var ErrNotRunning = errors.New("no server is running")

// Client asks a Service, in another process or in this one. Safe for concurrent
// use; Close it.
type Client struct {
	http    *http.Client
	close   func() error
	service *Service // in process
}

// Dial makes a client of the server whose socket is at path. Errors:
// ErrNotRunning.
func Dial(ctx context.Context, path string) (*Client, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	c, err := dial(ctx)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("control socket %q: %w", path, ErrNotRunning)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	_ = c.Close() // only asked whether someone is there
	return newClient(dial, nil), nil
}

// InProcess makes a client of a service of this process. Closing it does not
// close what the service works on.
func InProcess(s *Service) *Client {
	ln := pipeListener{make(chan net.Conn), make(chan struct{})}
	srv := NewServer(s)
	srv.serve(ln)
	c := newClient(ln.dial, func() error { return srv.http.Close() })
	c.service = s
	return c
}

func newClient(dial func(context.Context) (net.Conn, error), end func() error) *Client {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	return &Client{http: &http.Client{Transport: t}, close: func() error {
		t.CloseIdleConnections()
		if end != nil {
			return end()
		}
		return nil
	}}
}

// Close ends the client.
func (c *Client) Close() error { return c.close() }

// Ask does one operation: its name, the question and where the answer goes. An
// operation that fails gives *Error.
func (c *Client) Ask(ctx context.Context, operation string, in, out any) error {
	body, err := c.post(ctx, operation, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read answer to %s: %w", operation, err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, operation string, in any) (io.ReadCloser, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mailstead/v1/"+operation, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", operation, err)
	}
	return c.do(operation, req)
}

// do sends a question and gives its answer, which the caller closes.
func (c *Client) do(operation string, req *http.Request) (io.ReadCloser, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", operation, err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	var e struct {
		Error *Error `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || e.Error == nil {
		return nil, fmt.Errorf("ask %s: answered %s", operation, res.Status)
	}
	return nil, e.Error
}

// Check runs a check and gives its report; progress is called now and then.
func (c *Client) Check(ctx context.Context, q CheckQuery, progress func(CheckProgress)) (CheckReport, error) {
	body, err := c.post(ctx, "check", q)
	if err != nil {
		return CheckReport{}, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var e CheckEvent
		if err := lines.Decode(&e); err != nil {
			return CheckReport{}, fmt.Errorf("read answer to check: %w", err)
		}
		switch {
		case e.Error != nil:
			return CheckReport{}, e.Error
		case e.Report != nil:
			return *e.Report, nil
		case e.Progress != nil:
			progress(*e.Progress)
		}
	}
}

// pipeListener gives a server connections of its own process.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; http.Server calls it once.
func (l pipeListener) Close() error {
	close(l.done)
	return nil
}

// Addr implements net.Listener.
func (l pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (pipeAddr) String() string { return "pipe" }
