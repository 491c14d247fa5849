package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"mailstead/storage"
)

// checkVerb is mailstead check.
type checkVerb struct {
	Dir  string `required:"" help:"Directory of the store." type:"existingdir"`
	JSON bool   `name:"json" help:"Print the report as one JSON object."`
}

// errProblems is a check that found some.
var errProblems = errors.New("the store has problems")

// Run is called by kong.
func (v *checkVerb) Run(std streams) error {
	if _, err := os.Stat(filepath.Join(v.Dir, "index.db")); err != nil {
		return fmt.Errorf("%q holds no store: %w", v.Dir, err)
	}
	s, err := storage.Open(v.Dir, storage.Options{})
	if err != nil {
		return err
	}
	rep, err := s.Check(context.Background(), storage.CheckOptions{Bodies: true})
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if v.JSON {
		if rep.Problems == nil {
			rep.Problems = []string{}
		}
		err = json.NewEncoder(std.out).Encode(map[string]any{"accounts": rep.Accounts, "mailboxes": rep.Mailboxes, "messages": rep.Messages, "bodies": rep.Bodies, "problems": rep.Problems})
	} else {
		for _, p := range rep.Problems {
			fmt.Fprintln(std.out, p)
		}
		_, err = fmt.Fprintf(std.out, "%d accounts, %d mailboxes, %d messages, %d bodies, %d problems\n", rep.Accounts, rep.Mailboxes, rep.Messages, rep.Bodies, len(rep.Problems))
	}
	if err == nil && len(rep.Problems) > 0 {
		return errProblems
	}
	return err
}

// versionVerb is mailstead version.
type versionVerb struct{}

// Run is called by kong.
func (versionVerb) Run(std streams) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	_, err := fmt.Fprintln(std.out, "mailstead", version)
	return err
}
