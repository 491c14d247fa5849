package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
)

// maxPasswordLine bounds what is read of standard input for a password.
const maxPasswordLine = 4096

// accountArg names an account.
type accountArg struct {
	Address string `arg:"" help:"The account, like alice@example.org."`
}

// newPassword is how a verb gets one.
type newPassword struct {
	PasswordStdin bool `help:"Read the password from the first line of standard input; without it one is generated and printed once."`
}

// read gives the password, empty when one is to be generated.
func (p newPassword) read(std streams) (string, error) {
	if !p.PasswordStdin {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(std.in, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("read password: standard input holds none")
	}
	return line, nil
}

// change asks for an operation on an account and tells one line, and a password
// when one was generated.
func (r reach) change(std streams, operation string, q admin.AccountQuery, event string) error {
	var a admin.Account
	if err := r.ask(operation, q, &a); err != nil {
		return err
	}
	return r.tell(std, a, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "account %s %s\n", a.Address, event)
		if a.Password != "" {
			fmt.Fprintf(w, "password: %s\n", a.Password)
		}
	})
}

// quotaValue is a size, or "none".
type quotaValue string

// bytes gives the quota as the server wants it; nil when none was given.
func (q quotaValue) bytes() (*int64, error) {
	if q == "" {
		return nil, nil
	}
	if q == "none" {
		q = "0"
	}
	s, err := config.ParseSize(string(q))
	if err != nil {
		return nil, fmt.Errorf("quota %w: %w", err, errUsage)
	}
	n := int64(s)
	return &n, nil
}

// countValue is a number, or "none".
type countValue string

// number gives the limit as the server wants it; nil when none was given.
func (c countValue) number() (*int64, error) {
	if c == "" {
		return nil, nil
	}
	if c == "none" {
		c = "0"
	}
	n, err := strconv.ParseInt(string(c), 10, 64)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q is not a number of messages: %w", string(c), errUsage)
	}
	return &n, nil
}

func countText(n int64) string {
	if n == 0 {
		return "any number of messages"
	}
	return fmt.Sprintf("%d messages", n)
}

// accountAddVerb is mailstead account add.
type accountAddVerb struct {
	accountArg
	Quota quotaValue `help:"What the account may hold, like 5GiB, or none; without it the configuration's default." placeholder:"SIZE"`
	newPassword
	reach
}

// Run is called by kong.
func (v *accountAddVerb) Run(std streams) error {
	password, err := v.read(std)
	if err != nil {
		return err
	}
	quota, err := v.Quota.bytes()
	if err != nil {
		return err
	}
	return v.change(std, "account/add", admin.AccountQuery{Address: v.Address, Password: password, Quota: quota}, "added")
}

// accountPasswdVerb is mailstead account passwd.
type accountPasswdVerb struct {
	accountArg
	newPassword
	reach
}

// Run is called by kong.
func (v *accountPasswdVerb) Run(std streams) error {
	password, err := v.read(std)
	if err != nil {
		return err
	}
	return v.change(std, "account/passwd", admin.AccountQuery{Address: v.Address, Password: password}, "has a new password")
}

// accountDisableVerb is mailstead account disable.
type accountDisableVerb struct {
	accountArg
	reach
}

// Run is called by kong.
func (v *accountDisableVerb) Run(std streams) error {
	return v.change(std, "account/disable", admin.AccountQuery{Address: v.Address, Disabled: true}, "disabled")
}

// accountEnableVerb is mailstead account enable.
type accountEnableVerb struct {
	accountArg
	reach
}

// Run is called by kong.
func (v *accountEnableVerb) Run(std streams) error {
	return v.change(std, "account/disable", admin.AccountQuery{Address: v.Address}, "enabled")
}

// accountQuotaVerb is mailstead account quota.
type accountQuotaVerb struct {
	accountArg
	Quota    quotaValue `arg:"" optional:"" help:"A size like 5GiB, or none."`
	Messages countValue `help:"How many messages it may hold, or none." placeholder:"N"`
	reach
}

// Run is called by kong.
func (v *accountQuotaVerb) Run(std streams) error {
	quota, err := v.Quota.bytes()
	if err != nil {
		return err
	}
	messages, err := v.Messages.number()
	if err != nil {
		return err
	}
	var event []string
	if quota != nil {
		event = append(event, "has quota "+quotaText(*quota))
	}
	if messages != nil {
		event = append(event, "may hold "+countText(*messages))
	}
	if event == nil {
		return fmt.Errorf("a quota or --messages is missing: %w", errUsage)
	}
	return v.change(std, "account/quota", admin.AccountQuery{Address: v.Address, Quota: quota, Messages: messages}, strings.Join(event, " and "))
}

// accountSetVerb is mailstead account set.
type accountSetVerb struct {
	accountArg
	Admin   *bool `negatable:"" help:"Administrators change the limits of accounts with SETQUOTA, and annotations of the server."`
	CRAMMD5 *bool `name:"cram-md5" negatable:"" help:"Let the account log in with CRAM-MD5, for devices that can do nothing better. From its next password, or next login with the password, a secret is stored that logs in as it is; without leave it is forgotten at once."`
	reach
}

// Run is called by kong.
func (v *accountSetVerb) Run(std streams) error {
	var event []string
	for _, one := range []struct {
		set     *bool
		on, off string
	}{{v.Admin, "is an administrator", "is no administrator"}, {v.CRAMMD5, "may use CRAM-MD5 from its next password or login with the password", "may not use CRAM-MD5"}} {
		switch {
		case one.set == nil:
		case *one.set:
			event = append(event, one.on)
		default:
			event = append(event, one.off)
		}
	}
	if event == nil {
		return fmt.Errorf("--admin or --cram-md5 is missing: %w", errUsage)
	}
	return v.change(std, "account/set", admin.AccountQuery{Address: v.Address, Admin: v.Admin, CRAMMD5: v.CRAMMD5}, strings.Join(event, " and "))
}

// accountAddAddressVerb is mailstead account add-address.
type accountAddAddressVerb struct {
	accountArg
	Extra string `arg:"" help:"The other address; it receives, sends and logs in like the first."`
	reach
}

// Run is called by kong.
func (v *accountAddAddressVerb) Run(std streams) error {
	return v.change(std, "account/add-address", admin.AccountQuery{Address: v.Address, Extra: v.Extra}, "also has "+v.Extra)
}

// accountRemoveAddressVerb is mailstead account remove-address.
type accountRemoveAddressVerb struct {
	accountArg
	Extra string `arg:"" help:"The address to take away."`
	reach
}

// Run is called by kong.
func (v *accountRemoveAddressVerb) Run(std streams) error {
	return v.change(std, "account/remove-address", admin.AccountQuery{Address: v.Address, Extra: v.Extra}, "no longer has "+v.Extra)
}

// accountListVerb is mailstead account list.
type accountListVerb struct{ reach }

// Run is called by kong.
func (v *accountListVerb) Run(std streams) error {
	var list []admin.Account
	if err := v.ask("account/list", struct{}{}, &list); err != nil {
		return err
	}
	return v.tell(std, list, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "ACCOUNT\tMESSAGES\tUSED\tQUOTA\tSTATE")
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", a.Address, a.Messages, bytesText(a.Used), quotaText(a.Quota), stateText(a))
		}
	})
}

// accountShowVerb is mailstead account show.
type accountShowVerb struct {
	accountArg
	reach
}

// Run is called by kong.
func (v *accountShowVerb) Run(std streams) error {
	var a admin.Account
	if err := v.ask("account/show", admin.AccountQuery{Address: v.Address}, &a); err != nil {
		return err
	}
	return v.tell(std, a, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "account\t%s\nnumber\t%d\naddresses\t%s\nstate\t%s\nmessages\t%d\nused\t%s\nquota\t%s\nmay hold\t%s\ncreated\t%s\npassword changed\t%s\n", a.Address, a.ID, strings.Join(a.Addresses, ", "),
			stateText(a), a.Messages, bytesText(a.Used), quotaText(a.Quota), countText(a.MaxMessages), a.Created.Format(time.DateTime), a.PasswordChanged.Format(time.DateTime))
	})
}

// accountRemoveVerb is mailstead account remove.
type accountRemoveVerb struct {
	accountArg
	Yes    bool `help:"Do not ask."`
	DryRun bool `help:"Only say what would be removed."`
	reach
}

// Run is called by kong.
func (v *accountRemoveVerb) Run(std streams) error {
	q := admin.AccountQuery{Address: v.Address}
	var a admin.Account
	if err := v.ask("account/show", q, &a); err != nil {
		return err
	}
	if v.DryRun {
		return v.tell(std, a, func(w *tabwriter.Writer) { fmt.Fprintf(w, "would remove %s\n", loss(a)) })
	}
	if !v.Yes {
		if ok, err := confirm(std, fmt.Sprintf("This removes %s, for good.", loss(a))); err != nil || !ok {
			return err
		}
	}
	return v.change(std, "account/remove", q, fmt.Sprintf("removed, with %d messages (%s)", a.Messages, bytesText(a.Used)))
}

// loss names what goes with an account.
func loss(a admin.Account) string {
	return fmt.Sprintf("account %s (%s) with %d messages, %s", a.Address, strings.Join(a.Addresses, ", "), a.Messages, bytesText(a.Used))
}

// confirm asks on a terminal; elsewhere it refuses.
func confirm(std streams, what string) (bool, error) {
	if f, ok := std.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return false, &hinted{fmt.Errorf("ask first, standard input is no terminal: %w", errUsage), what + " Say --yes to do it, --dry-run to only look."}
	}
	fmt.Fprintf(std.err, "%s\nType yes to go on: ", what)
	line, err := bufio.NewReader(io.LimitReader(std.in, maxPasswordLine)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return false, errors.New("not confirmed, nothing was removed")
	}
	return true, nil
}

func quotaText(n int64) string {
	if n == 0 {
		return "none"
	}
	return config.Size(n).String()
}

func stateText(a admin.Account) string {
	state := "active"
	if a.Disabled {
		state = "disabled"
	}
	if a.Admin {
		state += ", administrator"
	}
	if !a.Scram {
		state += ", no SCRAM until its next login with the password"
	}
	if a.CRAMMD5 {
		state += ", CRAM-MD5"
	}
	return state
}

// bytesText is a number of bytes for people, rounded.
func bytesText(n int64) string {
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if f := float64(n) / u.bytes; f >= 1 {
			return fmt.Sprintf("%.1f %s", f, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
