// Notes what new mail comes from here on.
globalThis.pushed = [];
globalThis.listener = { msgAdded: (h) => globalThis.pushed.push(h.mime2DecodedSubject) };
MailServices.mfn.addListener(globalThis.listener, MailServices.mfn.msgAdded);
return true;
