//! The bearer token.

use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use thiserror::Error;

/// Bytes of a token file at most.
const MAX_BYTES: u64 = 4_096;

/// The secret of the admin side. Neither printed nor compared in a time that
/// depends on how much of a guess is right.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

/// Why a token file cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the token file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It holds nothing.
    #[error("the token file is empty")]
    Empty,
    /// It holds more than a token.
    #[error("the token file is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It holds what a header field cannot.
    #[error("the token is not one word of printable ASCII characters")]
    NotOneWord,
}

impl Token {
    /// Reads a token file; white space around the token is not part of it.
    ///
    /// # Errors
    /// If the file cannot be read or does not hold one word.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(TokenError::TooLong);
        }
        Self::new(&bytes)
    }

    /// A token from its text.
    ///
    /// # Errors
    /// If it is not one word of printable ASCII characters.
    pub fn new(text: &[u8]) -> Result<Self, TokenError> {
        let token = text.trim_ascii();
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::NotOneWord);
        }
        Ok(Self(token.into()))
    }

    /// Whether an `Authorization` value is `Bearer` and this token (RFC 6750,
    /// section 2.1; the scheme in any case, RFC 9110, section 11.1). The time
    /// taken depends on the length of the guess alone.
    pub(super) fn admits(&self, authorization: &[u8]) -> bool {
        let Some((scheme, guess)) = authorization.split_at_checked(b"bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && self.equals(guess.trim_ascii())
    }

    fn equals(&self, guess: &[u8]) -> bool {
        let mut difference = usize::from(guess.len() != self.0.len());
        for (index, byte) in guess.iter().enumerate() {
            let own = self.0[index % self.0.len()];
            difference |= black_box(usize::from(own ^ byte));
        }
        black_box(difference) == 0
    }
}

/// For the client: the value of its `Authorization` field.
impl Token {
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", String::from_utf8_lossy(&self.0))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = Token::new(b" s3cret\n").unwrap();
        for right in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert!(token.admits(right.as_bytes()), "{right}");
        }
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret2",
            "Bearer s3creT",
            "s3cret",
            "Basic s3cret",
            "Bearer s3crets3cret",
        ];
        for wrong in wrong {
            assert!(!token.admits(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(format!("{:?}", Token::new(b"s3cret").unwrap()), "Token(…)");
    }

    #[test]
    fn a_file_without_one_word_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Token::read(&path)
        };
        assert!(matches!(read(b" \n"), Err(TokenError::Empty)));
        assert!(matches!(read(b"two words"), Err(TokenError::NotOneWord)));
        assert!(matches!(read(&[b'a'; 4_097]), Err(TokenError::TooLong)));
        assert!(read(&[b'a'; 4_096]).is_ok());
        assert!(matches!(Token::read(folder.path()), Err(TokenError::Read(_))));
    }
}
