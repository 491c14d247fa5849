// Stars the first messages and marks them as read.
const [n] = args;
const list = [...inbox().messages].slice(0, n);
inbox().markMessagesFlagged(list, true);
inbox().markMessagesRead(list, true);
return subjects(list);
