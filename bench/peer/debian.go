package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// DebianName is how reports call Postfix with Dovecot.
const DebianName = "Postfix+Dovecot"

// ErrNotHere is in the error for a server that is not installed or cannot be run
// by this user.
var ErrNotHere = errors.New("cannot be run here")

// debian is Postfix, which hands each message to Dovecot by LMTP, as Debian
// installs them.
type debian struct {
	postfix, postmap, postconf, dovecot string
	master                              string   // Postfix's first process
	settings                            []string // more of main.cf
	uid, gid                            string   // whose the mail is
}

// NewDebian makes a system of Postfix and Dovecot. Both are started by root and
// drop to their own users. Each setting is a line of main.cf that goes last.
func NewDebian(parent string, accounts int, settings []string) (*System, error) {
	d := &debian{settings: settings}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%s %w: only root can start it", DebianName, ErrNotHere)
	}
	for name, path := range map[string]*string{"postfix": &d.postfix, "dovecot": &d.dovecot, "postmap": &d.postmap, "postconf": &d.postconf} {
		var err error
		if *path, err = exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%s %w: %w", DebianName, ErrNotHere, err)
		}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", DebianName, ErrNotHere, err)
	}
	d.uid, d.gid = u.Uid, u.Gid
	return newSystem(DebianName, parent, accounts, d)
}

func (d *debian) prepare(ctx context.Context, s *System) error {
	if err := d.prepareDovecot(s); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "queue"), 0o755); err != nil {
		return err
	}
	return d.preparePostfix(ctx, s)
}

func (d *debian) launch(s *System) error {
	if err := s.spawn("dovecot-out", d.dovecot, "-F", "-c", filepath.Join(s.dir, "dovecot.conf")); err != nil {
		return err
	}
	return s.spawn("postfix-out", d.master, "-c", filepath.Join(s.dir, "postfix"), "-s")
}

// populate has nothing to do: the accounts are in files.
func (d *debian) populate(context.Context, *System) error { return nil }

// dovecotConfig is Debian's defaults but for places, users and the limits that
// one address under load would meet.
const dovecotConfig = `protocols = imap lmtp
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_max_userip_connections = 10000
default_client_limit = 20000
first_valid_uid = 1
namespace inbox {
  inbox = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%u %[1]s/users
}
userdb {
  driver = static
  args = uid=%[3]s gid=%[4]s home=%[1]s/mail/%%n
}
service imap-login {
  inet_listener imap {
    port = %[2]s
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  process_limit = 10000
}
service lmtp {
  unix_listener %[1]s/queue/private/dovecot-lmtp {
    user = postfix
    group = postfix
    mode = 0600
  }
}
`

func (d *debian) prepareDovecot(s *System) error {
	s.store = filepath.Join(s.dir, "mail")
	for _, dir := range []string{"run", "state", "mail"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			return err
		}
	}
	uid, gid, err := d.owner()
	if err != nil {
		return err
	}
	if err := os.Chown(s.store, uid, gid); err != nil {
		return err
	}
	var users strings.Builder
	for i := range s.Accounts {
		fmt.Fprintf(&users, "%s:{PLAIN}%s::::::\n", address(i), Password)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "users"), []byte(users.String()), 0o644); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(s.IMAP)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "dovecot.conf"), fmt.Appendf(nil, dovecotConfig, s.dir, port, d.uid, d.gid), 0o644)
}

// postfixMain is Postfix's defaults but for places, the domain, and sizes that
// the workloads with large messages need. Limits per client do not apply to
// loopback, which is in mynetworks.
const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/postfix-data
maillog_file = %[1]s/postfix.log
maillog_file_prefixes = %[1]s
myhostname = mail.bench.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = hash:%[1]s/postfix/mailboxes
virtual_transport = lmtp:unix:private/dovecot-lmtp
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_limit = 0
recipient_delimiter = +
`

// postfixServices is Debian's master.cf without the ways out, and not chrooted
// (as Postfix itself ships it): a jail would need copies of files of /etc.
const postfixServices = `%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (d *debian) preparePostfix(ctx context.Context, s *System) error {
	conf := filepath.Join(s.dir, "postfix")
	data := filepath.Join(s.dir, "postfix-data")
	for _, dir := range []string{conf, data} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	main := fmt.Sprintf(postfixMain, s.dir)
	for _, line := range d.settings {
		main += line + "\n"
	}
	var maps strings.Builder
	for i := range s.Accounts {
		fmt.Fprintf(&maps, "%s x\n", address(i))
	}
	files := map[string]string{"main.cf": main, "master.cf": fmt.Sprintf(postfixServices, s.SMTP), "mailboxes": maps.String()}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := d.ownData(data); err != nil {
		return err
	}
	if _, err := output(ctx, d.postmap, "-c", conf, "hash:"+filepath.Join(conf, "mailboxes")); err != nil {
		return err
	}
	// check makes the queue's directories.
	if _, err := output(ctx, d.postfix, "-c", conf, "check"); err != nil {
		return err
	}
	programs, err := output(ctx, d.postconf, "-c", conf, "-h", "daemon_directory")
	d.master = filepath.Join(programs, "master")
	return err
}

// output runs a program and gives what it prints.
func output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// ownData gives Postfix's data directory to its user.
func (d *debian) ownData(dir string) error {
	u, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, -1)
}
