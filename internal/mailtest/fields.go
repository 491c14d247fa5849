package mailtest

import (
	"fmt"
	"strings"
)

func types() []Message {
	return []Message{
		plain("type: none", "", "a\n"),
		plain("type: empty", "Content-Type:\n", "a\n"),
		plain("type: no subtype", "Content-Type: text\n", "a\n"),
		plain("type: empty subtype", "Content-Type: text/\n", "a\n"),
		plain("type: three levels", "Content-Type: text/plain/x\n", "a\n"),
		plain("type: upper case", "Content-Type: TEXT/HTML; CHARSET=UTF-8\n", "a\n"),
		plain("type: spaces around the slash", "Content-Type: text / html\n", "a\n"),
		plain("type: comment", "Content-Type: text/html (a (nested) comment); (another) charset=utf-8 (one more)\n", "a\n"),
		plain("type: folded", "Content-Type:\n text/html;\n\tcharset=\n utf-8\n", "a\n"),
		plain("type: twice", "Content-Type: text/html\nContent-Type: image/png\n", "a\n"),
		plain("type: of 200 characters", "Content-Type: text/"+strings.Repeat("t", 200)+"\n", "a\n"),
		plain("type: not ASCII", "Content-Type: text/pl\u00e4in\n", "a\n"),
		plain("type: in quotes", "Content-Type: \"text/html\"\n", "a\n"),
		plain("type: text/plain flowed", "Content-Type: text/plain; format=flowed; delsp=yes\n", "a long \nline \n-- \n> quoted \n> more\n"),
		plain("type: disposition without a value", "Content-Disposition: ; filename=x\n", "a\n"),
		plain("type: disposition unknown", "Content-Disposition: x-odd; filename=x\n", "a\n"),
		plain("type: language empty", "Content-Language: ,, \n", "a\n"),
	}
}

func parameters() []Message {
	one := func(name, params string) Message {
		return multi("parameter: "+name, "--x\nContent-Type: text/plain"+params+"\nContent-Disposition: attachment"+params+"\n\na\n--x--\n")
	}
	return []Message{
		one("empty", "; a="),
		one("empty in quotes", `; a=""`),
		one("quotes inside", `; a="b\"c\\d"`),
		one("no quotes around spaces", "; name=a b.txt"),
		one("quote not closed", `; name="a`),
		one("semicolon inside", `; name="a;b"; c=d`),
		one("without =", "; a; b=c"),
		one("semicolons", ";;; a=b;;"),
		one("8-bit", "; name=\"gr\u00fc\u00df.txt\""),
		one("8-bit, not UTF-8", "; name=\"gr\xfc\xdf.txt\""),
		one("encoded word", "; name=\"=?utf-8?q?gr=C3=BC=C3=9F?=\""),
		one("continued", "; name*0=ab; name*1=cd; name*2=\"e f\""),
		one("continued, out of order", "; name*1=cd; name*0=ab"),
		one("continued, one missing", "; name*0=ab; name*2=ef"),
		one("continued, first missing", "; name*1=ab; name*2=cd"),
		one("charset", "; name*=utf-8'de'gr%C3%BC%C3%9F"),
		one("charset, latin 1", "; name*=iso-8859-1''gr%FC%DF"),
		one("charset, unknown", "; name*=x-none''gr%FC"),
		one("charset, wrong", "; name*=us-ascii''gr%C3%BC"),
		one("charset, none", "; name*=''gr%C3%BC"),
		one("charset, no quotes", "; name*=gr%C3%BC"),
		one("charset continued", "; name*0*=utf-8''gr%C3; name*1*=%BC; name*2=%41"),
		one("bad percent", "; name*=utf-8''a%zz%4"),
		one("both forms", "; name=plain; name*=utf-8''ext%C3%BC"),
		one("twice", "; a=b; a=c"),
		one("bad continuation number", "; name*x=a; name*-1=b; name*999999999999=c"),
		one("many", strings.Repeat("; a=b", 50)),
		one("200 different", many(200)),
		one("very long", "; name="+strings.Repeat("n", 20000)),
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "; p%d=v%d", i, i)
	}
	return b.String()
}

func headers() []Message {
	raw := func(name, text string) Message { return Message{"header: " + name, crlf(text)} }
	return []Message{
		raw("empty message", ""),
		raw("one line break", "\n"),
		raw("two line breaks", "\n\n"),
		raw("no header, a body", "\nbody\n"),
		raw("no body", "Subject: x\n"),
		raw("no body, empty line", "Subject: x\n\n"),
		raw("no line break", "Subject: x"),
		raw("nothing but text", "this is no mail\n\nreally\n"),
		raw("first line is folded", " x\nSubject: y\n\nbody\n"),
		raw("line without a colon", "Subject: x\nno field here\nFrom: a@example.test\n\nbody\n"),
		raw("mbox line", "From a@example.test Mon Feb  7 21:52:25 2022\nSubject: x\n\nbody\n"),
		raw("no name", ": x\nSubject: y\n\nbody\n"),
		raw("space before the colon", "Subject : x\nFrom\t: a@example.test\n\nbody\n"),
		raw("space in the name", "Sub ject: x\nFrom: a@example.test\n\nbody\n"),
		raw("8-bit name", "S\u00fcbject: x\nFrom: a@example.test\n\nbody\n"),
		raw("upper case names", "SUBJECT: x\nFROM: a@example.test\n\nbody\n"),
		raw("no space behind the colon", "Subject:x\nFrom:a@example.test\n\nbody\n"),
		raw("empty values", "Subject:\nFrom: \nTo:\t\nDate:\n\nbody\n"),
		raw("folded everywhere", "Subject:\n a\n\tb\n  c\nFrom:\n A\n <a@example.test\n >\n\nbody\n"),
		raw("fold of spaces alone", "Subject: a\n \n b\nFrom: a@example.test\n\nbody\n"),
		raw("UTF-8", "Subject: gr\u00fc\u00df \u65e5\u672c\nFrom: J\u00f6rg <j\u00f6rg@ex\u00e4mple.test>\n\nbody\n"),
		raw("8-bit, not UTF-8", "Subject: gr\xfc\xdf\nFrom: J\xf6rg <j@example.test>\n\nbody\n"),
		raw("encoded words", "Subject: =?utf-8?q?gr=C3=BC?= =?iso-8859-1?b?3w==?=\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.test>\n\nbody\n"),
		raw("bad encoded words", "Subject: =?utf-8?x?a?= =?none?q?=FC?= =?utf-8?b?*?= =?\nFrom: =?utf-8?q?a@b?= <j@example.test>\n\nbody\n"),
		raw("quotes and backslashes", "Subject: a \"b\" \\c\nFrom: \"a \\\"b\\\" \\\\c\" <a@example.test>\n\nbody\n"),
		raw("twice", "Subject: one\nSubject: two\nFrom: a@example.test\nFrom: b@example.test\nDate: Mon, 7 Feb 2022 21:52:25 +0100\nDate: x\nTo: c@example.test\nTo: d@example.test\nMessage-ID: <1@example.test>\nMessage-ID: <2@example.test>\n\nbody\n"),
		raw("all of the envelope", "Date: Mon, 7 Feb 2022 21:52:25 +0100 (CET)\nSubject: s\nFrom: a@example.test\nSender: b@example.test\nReply-To: c@example.test\nTo: d@example.test\nCc: e@example.test\nBcc: f@example.test\nIn-Reply-To: <g@example.test> <h@example.test>\nMessage-ID: <i@example.test>\nReferences: <g@example.test>\n\nbody\n"),
		raw("sender empty", "From: a@example.test\nSender:\nReply-To: ;\n\nbody\n"),
		raw("long lines", "Subject: "+strings.Repeat("word ", 2000)+"\nMessage-ID: <"+strings.Repeat("m", 5000)+"@example.test>\n\nbody\n"),
		raw("NUL and controls", "Subject: a\x00b\x01c\x7f\nFrom: \"a\x00b\" <a@example.test>\n\nbo\x00dy\n"),
	}
}

func addresses() []Message {
	one := func(name, list string) Message {
		return Message{"address: " + name, crlf("From: a@example.test\nTo: " + list + "\nSubject: x\n\nbody\n")}
	}
	return []Message{
		one("comment", "a@example.test (A Name)"),
		one("comments everywhere", "(1) \"A\" (2) <(3) a (4) @ (5) example.test (6)> (7), (8) b@example.test (9)"),
		one("comment not closed", "a@example.test (A, b@example.test"),
		one("nested comment", "a@example.test (A (B (C)) \\) D)"),
		one("only a comment", "(nobody)"),
		one("group", "Team: a@example.test, B <b@example.test>;, c@example.test"),
		one("empty group", "undisclosed-recipients:;"),
		one("group not closed", "Team: a@example.test, b@example.test"),
		one("group in a group", "A: b: c@example.test;;"),
		one("group in quotes", "\"The: Team\": a@example.test;"),
		one("route", "<@r.test,@s.test:a@example.test>"),
		one("no angle", "A Name"),
		one("no host", "a, <b>, c@"),
		one("no local part", "@example.test, <@example.test>"),
		one("empty angle", "<>, A <>"),
		one("angle not closed", "A <a@example.test, B <b@example.test>"),
		one("two angles", "A <a@example.test> <b@example.test>"),
		one("literal", "a@[192.0.2.1], b@[IPv6:2001:db8::1]"),
		one("quoted local part", "\"a b\"@example.test, \"a@b\"@example.test"),
		one("dots", "a..b@example.test, .a@example.test, a.@example.test"),
		one("spaces at the dots", "a . b @ example . test"),
		one("semicolons", "a@example.test; b@example.test"),
		one("commas", ",,a@example.test,,,b@example.test,"),
		one("name with a comma", "Doe, Jane <j@example.test>"),
		one("address as name", "a@example.test <b@example.test>"),
		one("very long", strings.Repeat("l", 3000)+"@"+strings.Repeat("h", 3000)+".test"),
		one("very long name", strings.Repeat("Name ", 2000)+"<a@example.test>"),
		one("3,000 of them", strings.TrimSuffix(strings.Repeat("a@example.test,\n ", 3000), ",\n ")),
		one("UTF-8", "J\u00f6rg <j\u00f6rg@ex\u00e4mple.test>"),
	}
}
