package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"mailstead/bench/corpus"
	"mailstead/bench/load"
	"mailstead/bench/peer"
)

// growthVerb is bench growth.
type growthVerb struct {
	Messages int  `default:"100000" help:"How many messages the store gets in all."`
	Size     int  `default:"4096" help:"Bytes of each message; at least 1000."`
	Accounts int  `default:"50" help:"Accounts that they are spread over."`
	JSON     bool `name:"json" help:"Print the curve as JSON."`
	where
}

// Run is called by kong.
func (v *growthVerb) Run(ctx context.Context, std streams) (err error) {
	if v.Messages < 1 || v.Size < 1000 || v.Accounts < 1 {
		return errors.New("at least 1 message of 1000 bytes and 1 account are needed")
	}
	work, program, err := v.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.clear(std, work)) }()
	s, err := peer.NewMailstead(program, work, v.Accounts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Setup(ctx); err != nil {
		return err
	}
	var points []load.Point
	err = load.Growth(ctx, &load.Bench{System: s, Corpus: corpus.Fixed(v.Size)}, v.Messages, func(p load.Point) error {
		fmt.Fprintf(std.err, "%d messages: %.0f/s, %d bytes on disk\n", p.Messages, p.Rate, p.Disk)
		points = append(points, p)
		return nil
	})
	if err != nil {
		return err
	}
	if v.JSON {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(points)
	}
	return growthTable(std, points)
}

func growthTable(std streams, points []load.Point) error {
	lines := [][]string{{"messages", "deliveries/s", "CPU ms/message", "bodies MiB", "disk MiB", "disk bytes/message", "disk/bodies", "stop ms", "start ms", "memory MiB"}}
	mib := func(n int64) string { return short(float64(n) / (1 << 20)) }
	for _, p := range points {
		lines = append(lines, []string{
			strconv.Itoa(p.Messages), short(p.Rate), short(p.CPU), mib(p.Bodies), mib(p.Disk), short(float64(p.Disk) / float64(p.Messages)),
			fmt.Sprintf("%.3f", float64(p.Disk)/float64(p.Bodies)), short(p.Stop), short(p.Start), mib(p.Memory),
		})
	}
	return markdown(std.out, lines)
}
