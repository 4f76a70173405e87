//! A strict reader of `Proxy-Status` with one member, written from the
//! grammar of RFC 9651 section 3 and not from our writer.

/// A bare item: of the kinds that RFC 9209 uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Token(String),
    Text(String),
    Integer(i64),
}

/// The member and its parameters, or where the text breaks the grammar.
pub(super) fn parse(text: &[u8]) -> Result<(Item, Vec<(String, Item)>), usize> {
    let mut reader = Reader { text, at: 0 };
    let member = reader.item()?;
    let mut parameters = Vec::new();
    while reader.eat(b';') {
        while reader.eat(b' ') {}
        let key = reader.key()?;
        if !reader.eat(b'=') {
            return Err(reader.at);
        }
        parameters.push((key, reader.item()?));
    }
    if reader.at == text.len() { Ok((member, parameters)) } else { Err(reader.at) }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let from = self.at;
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
        String::from_utf8(self.text[from..self.at].to_vec()).unwrap()
    }

    fn key(&mut self) -> Result<String, usize> {
        if !self.peek().is_some_and(|b| b.is_ascii_lowercase() || b == b'*') {
            return Err(self.at);
        }
        Ok(self
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b)))
    }

    fn item(&mut self) -> Result<Item, usize> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b) if b.is_ascii_digit() || b == b'-' => self.integer(),
            Some(b) if b.is_ascii_alphabetic() || b == b'*' => {
                Ok(Item::Token(self.take_while(|b| {
                    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b)
                })))
            }
            _ => Err(self.at),
        }
    }

    fn integer(&mut self) -> Result<Item, usize> {
        let digits = self.take_while(|b| b.is_ascii_digit() || b == b'-');
        if digits.len() > 15 {
            return Err(self.at);
        }
        digits.parse().map(Item::Integer).map_err(|_| self.at)
    }

    fn string(&mut self) -> Result<Item, usize> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let byte = self.peek().ok_or(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Ok(Item::Text(text)),
                b'\\' => match self.peek() {
                    Some(escaped @ (b'"' | b'\\')) => {
                        text.push(char::from(escaped));
                        self.at += 1;
                    }
                    _ => return Err(self.at),
                },
                0x20..=0x7e => text.push(char::from(byte)),
                _ => return Err(self.at - 1),
            }
        }
    }
}

#[test]
fn the_reader_refuses_what_the_grammar_does() {
    assert!(parse(br#"a; b="c\"d"; e=1"#).is_ok());
    for broken in [&br#"a; b="c"#[..], br#"a; b="\n""#, b"a; b=\"\xff\"", b"a ;b=1", b"a, b", b""] {
        assert!(parse(broken).is_err(), "{broken:?}");
    }
}
