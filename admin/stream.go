package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Progress tells how far long work is.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"` // 0: not known
}

// line is one line of an answer in parts; one field is set.
type line struct {
	Progress *Progress       `json:"progress,omitempty"`
	Item     json.RawMessage `json:"item,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"` // the last line
	Error    *Error          `json:"error,omitempty"`  // the last line, instead
}

// teller takes what an operation tells before its answer.
type teller struct {
	lines    *json.Encoder
	response *http.ResponseController
}

// progress tells it at once.
func (t teller) progress(p Progress) {
	_ = t.lines.Encode(line{Progress: &p}) // the client may be gone; the request's context ends then
	_ = t.response.Flush()
}

// item tells one of the things that were asked for.
func (t teller) item(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.lines.Encode(line{Item: b})
}

// inParts makes a handler of an operation that takes long or tells much. When
// the client goes away the operation's context ends.
func inParts[In, Out any](op func(context.Context, In, teller) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := decode(w, r, &in); err != nil {
			fail(w, AsError(err))
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		t := teller{json.NewEncoder(w), http.NewResponseController(w)}
		out, err := op(r.Context(), in, t)
		last := line{}
		if err == nil {
			last.Answer, err = json.Marshal(out)
		}
		if err != nil {
			last = line{Error: AsError(err)}
		}
		_ = t.lines.Encode(last) // the client may be gone
	}
}

// Listener hears what an operation tells before its answer; each may be nil.
type Listener[Item any] struct {
	Progress func(Progress)
	Item     func(Item) error // an error ends the operation
}

// Follow does an operation that takes long or tells much. An operation that
// fails gives *Error; when ctx ends, so does the operation.
func Follow[Item, Out any](ctx context.Context, c *Client, operation string, in any, l Listener[Item]) (out Out, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := c.post(ctx, operation, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var one line
		if err := lines.Decode(&one); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return out, fmt.Errorf("read answer to %s: %w", operation, err)
		}
		switch {
		case one.Error != nil:
			return out, one.Error
		case one.Answer != nil:
			return out, json.Unmarshal(one.Answer, &out)
		case one.Item != nil && l.Item != nil:
			var item Item
			if err := json.Unmarshal(one.Item, &item); err != nil {
				return out, fmt.Errorf("read answer to %s: %w", operation, err)
			}
			if err := l.Item(item); err != nil {
				return out, err
			}
		case one.Progress != nil && l.Progress != nil:
			l.Progress(*one.Progress)
		}
	}
}
