package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"mailstead/internal/logkey"
)

const (
	maxQuery      = 1 << 20 // bytes of one question
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
)

// Server answers on the control socket. Make it with NewServer.
type Server struct {
	http *http.Server
	path string
	wg   sync.WaitGroup
}

// NewServer makes a server of the operations of a Service.
func NewServer(s *Service) *Server {
	return &Server{http: &http.Server{Handler: s.handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}}
}

// Listen opens the socket at path, mode 0600, and answers until Shutdown. What
// is left of a socket whose server has ended is replaced: the caller holds the
// store, so there is no other server.
func (s *Server) Listen(path string) error {
	ln, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("open control socket %q: %w", path, err)
	}
	s.path = path
	s.serve(ln)
	return nil
}

func (s *Server) serve(ln net.Listener) {
	// Serve gives ErrServerClosed or, from a socket, nothing that can be mended.
	s.wg.Go(func() { _ = s.http.Serve(ln) })
}

// listenUnix makes the socket where nobody else can reach it and moves it to
// its place once its mode is right.
func listenUnix(path string) (net.Listener, error) {
	tmp, err := os.MkdirTemp(filepath.Dir(path), ".socket-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	first := filepath.Join(tmp, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(first, 0o600), os.Rename(first, path)); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// Shutdown finishes what is being answered, until ctx is done, and removes the
// socket.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = s.http.Close()
	}
	s.wg.Wait()
	if s.path != "" {
		if e := os.Remove(s.path); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// handler is the table of operations.
func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	add := func(name string, h http.HandlerFunc) { mux.HandleFunc("POST /v1/"+name, s.guard(h)) }
	add("status", answer(s.Status))
	add("domain/add", answer(s.AddDomain))
	add("domain/list", answer(s.Domains))
	add("domain/remove", answer(s.RemoveDomain))
	add("domain/catch-all", answer(s.SetCatchAll))
	add("account/add", answer(s.AddAccount))
	add("account/list", answer(s.Accounts))
	add("account/show", answer(s.Account))
	add("account/passwd", answer(s.SetPassword))
	add("account/disable", answer(s.SetDisabled))
	add("account/quota", answer(s.SetQuota))
	add("account/set", answer(s.Set))
	add("account/cert/add", answer(s.AddCertificate))
	add("account/cert/remove", answer(s.RemoveCertificate))
	add("account/add-address", answer(s.AddAddress))
	add("account/remove-address", answer(s.RemoveAddress))
	add("account/remove", answer(s.RemoveAccount))
	add("account/add-sender", answer(s.AddSender))
	add("account/remove-sender", answer(s.RemoveSender))
	add("mailbox/share", answer(s.Share))
	add("mailbox/unshare", answer(s.Unshare))
	add("mailbox/rights", answer(s.Sharing))
	add("alias/set", answer(s.SetAlias))
	add("alias/list", answer(s.Aliases))
	add("alias/remove", answer(s.RemoveAlias))
	add("mailbox/list", answer(s.Mailboxes))
	add("check", s.check)
	add("backup", inParts(s.Backup))
	add("account/adopt", answer(s.AdoptAccount))
	s.addTransfer(add)
	s.addStore(add)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &Error{NotFound, fmt.Sprintf("no operation %s %s", r.Method, r.URL.Path)})
	})
	return mux
}

// guard makes a panic one failed operation.
func (s *Service) guard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("admin operation panicked", "path", r.URL.Path, logkey.Err, p, "stack", string(debug.Stack()))
				fail(w, &Error{Internal, "the operation broke; the log has more"})
			}
		}()
		h(w, r)
	}
}

// decode reads the question strictly.
func decode(w http.ResponseWriter, r *http.Request, in any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuery))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil && !errors.Is(err, io.EOF) {
		return &Error{Invalid, fmt.Sprintf("read question: %v", err)}
	}
	return nil
}

// answer makes a handler of an operation.
func answer[In, Out any](op func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := decode(w, r, &in)
		if err == nil {
			var out Out
			if out, err = op(r.Context(), in); err == nil {
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(out) // the client may be gone
				return
			}
		}
		fail(w, AsError(err))
	}
}

func fail(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[e.Code])
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Error *Error `json:"error"`
	}{e})
}

// check streams what a check tells.
func (s *Service) check(w http.ResponseWriter, r *http.Request) {
	var q CheckQuery
	if err := decode(w, r, &q); err != nil {
		fail(w, AsError(err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, rc := json.NewEncoder(w), http.NewResponseController(w)
	tell := func(e CheckEvent) {
		_ = out.Encode(e) // the client may be gone; the request's context ends then
		_ = rc.Flush()
	}
	rep, err := s.Check(r.Context(), q, func(p CheckProgress) { tell(CheckEvent{Progress: &p}) })
	if err != nil {
		tell(CheckEvent{Error: AsError(err)})
		return
	}
	tell(CheckEvent{Report: &rep})
}
