# check is what must be green before every commit.
.PHONY: check test fuzz bench compare crash interop thunderbird build

build:
	go build -o bin/mailstead ./cmd/mailstead

check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt the files above"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -race -shuffle=on ./...

test:
	go test ./...

# fuzz runs every fuzz target for FUZZTIME.
FUZZTIME ?= 30s
fuzz:
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; \
	done

bench:
	go test -run '^$$' -bench . -benchmem ./...

# compare measures over the wire, in turns with Postfix and Dovecot where they
# are installed; see docs/performance.md.
compare:
	go run ./bench compare

# crash kills real processes under load, many more times than go test does.
crash:
	MAILSTEAD_CRASH_ROUNDS=200 go test -run Kill -count=1 -timeout 60m ./storage ./interop

# fault lets every single operation on the disk fail, every write be torn and
# the power go at every sync, where go test takes some of them.
fault:
	MAILSTEAD_FAULT_FULL=1 go test -run 'Fault|Operation|Torn|Power|FullDisk|Damaged' -count=1 -timeout 60m ./storage

interop:
	.ci/run

# thunderbird lets Debian's Thunderbird use the server; it needs thunderbird,
# xvfb and libnss3-tools. Pictures of its window are left in SHOTS.
SHOTS ?= $(CURDIR)/bin/thunderbird
thunderbird:
	mkdir -p $(SHOTS)
	MAILSTEAD_THUNDERBIRD=1 MAILSTEAD_INTEROP=1 MAILSTEAD_SCREENSHOTS=$(SHOTS) go test ./interop -run Thunderbird -count=1 -v
