//! HTTP/1.1 as far as a proxy needs it: heads, and where bodies end.
//!
//! In: a connection. Out: heads with their fields as they came, and bodies piece by piece. Always: nothing is held
//! but a head and one piece. Absent: any understanding of what is said.

use std::io::{self, BufRead, Write};

/// A head longer than this is not S3's.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The first line and the fields of a request or an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub first: String,
    pub fields: Vec<(String, String)>,
}

impl Head {
    #[cfg(test)]
    pub(super) fn new(first: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Head { first: first.to_owned(), fields: fields.collect() }
    }

    /// Reads a head; `None` where the connection ends before it begins.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = Head::default();
        let mut bytes = 0;
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            bytes += line.len();
            if line.is_empty() && bytes == 0 {
                return Ok(None);
            }
            if !line.ends_with(b"\n") || bytes > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // S3's heads are ASCII: keys are escaped in them.
            let line = String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData)?;
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                return Ok(Some(head));
            }
            if head.first.is_empty() {
                line.clone_into(&mut head.first);
            } else {
                let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
                head.fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<String> {
        let field = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.clone())
    }

    pub(super) fn says(&self, name: &str, word: &str) -> bool {
        self.value(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }

    /// Puts one field in the place of all of that name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// An answer's status; 0 where it has none.
    pub(super) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Where the body of this request, or of this answer to `method`, ends.
    pub(super) fn framing(&self, answer_to: Option<&str>) -> Framing {
        let status = self.status();
        if answer_to == Some("HEAD") || (answer_to.is_some() && (status == 204 || status == 304)) {
            return Framing::Empty;
        }
        if self.says("transfer-encoding", "chunked") {
            return Framing::Chunked { left: 0, begun: false, ended: false };
        }
        match self.value("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => Framing::Length(length),
            None if answer_to.is_some() => Framing::UntilClose,
            None => Framing::Empty,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.first).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Empty,
    /// So many bytes are left.
    Length(u64),
    Chunked {
        left: u64,
        begun: bool,
        ended: bool,
    },
    UntilClose,
}

impl Framing {
    /// The bytes of the body, where they are told before.
    pub(super) fn length(self) -> Option<u64> {
        match self {
            Framing::Empty => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked { .. } | Framing::UntilClose => None,
        }
    }

    /// The next piece of the body, with chunks' sizes taken out; empty at its end. It has to be consumed with
    /// [`Framing::consume`].
    pub(super) fn piece<'a>(&mut self, reader: &'a mut impl BufRead) -> io::Result<&'a [u8]> {
        if let Framing::Chunked { left, begun, ended } = self
            && *left == 0
            && !*ended
        {
            if std::mem::replace(begun, true) {
                line(reader)?;
            }
            let size = line(reader)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            *left = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if *left == 0 {
                *ended = true;
                // Trailers, up to an empty line.
                while !line(reader)?.is_empty() {}
            }
        }
        let left = match *self {
            Framing::Empty => 0,
            Framing::Length(left) | Framing::Chunked { left, .. } => left,
            Framing::UntilClose => u64::MAX,
        };
        if left == 0 {
            return Ok(&[]);
        }
        let piece = reader.fill_buf()?;
        if piece.is_empty() && *self != Framing::UntilClose {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(&piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))])
    }

    pub(super) fn consume(&mut self, reader: &mut impl BufRead, bytes: usize) {
        reader.consume(bytes);
        if let Framing::Length(left) | Framing::Chunked { left, .. } = self {
            *left -= bytes as u64;
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Writes a body whose head is still to be written, so that small answers are one packet.
pub(super) struct Outgoing<W> {
    writer: W,
    held: Vec<u8>,
    chunked: bool,
}

impl<W: Write> Outgoing<W> {
    pub(super) fn new(writer: W, head: &Head) -> Self {
        Outgoing { writer, held: head.to_bytes(), chunked: head.says("transfer-encoding", "chunked") }
    }

    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.chunked {
            self.held.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        if !self.held.is_empty() {
            self.held.extend_from_slice(piece);
            if self.chunked {
                self.held.extend_from_slice(b"\r\n");
            }
            self.writer.write_all(&self.held)?;
            self.held.clear();
            return Ok(());
        }
        self.writer.write_all(piece)
    }

    /// Sends what is held; nothing says that the body is at its end.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// Ends the body.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.chunked {
            self.held.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(head: &Head, bytes: &[u8], answer_to: Option<&str>) -> io::Result<Vec<u8>> {
        // One byte at a time, so that every cut point is tried.
        let mut reader = io::BufReader::with_capacity(1, bytes);
        let mut framing = head.framing(answer_to);
        let mut whole = Vec::new();
        loop {
            let piece = framing.piece(&mut reader)?.to_vec();
            if piece.is_empty() {
                return Ok(whole);
            }
            whole.extend_from_slice(&piece);
            framing.consume(&mut reader, piece.len());
        }
    }

    #[test]
    fn bodies_end_where_their_heads_say() {
        let answer = "HTTP/1.1 200 OK";
        let length = Head::new(answer, &[("Content-Length", "3")]);
        let chunked = Head::new(answer, &[("Transfer-Encoding", "chunked")]);
        let neither = Head::new(answer, &[]);
        let chunks = b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: t\r\n\r\nnext";
        assert_eq!(body(&length, b"abcnext", Some("GET")).unwrap(), b"abc");
        assert_eq!(body(&chunked, chunks, Some("GET")).unwrap(), b"abc");
        assert_eq!(body(&neither, b"abc", Some("GET")).unwrap(), b"abc");
        assert_eq!(body(&neither, b"next", None).unwrap(), b"");
        assert_eq!(body(&length, b"next", Some("HEAD")).unwrap(), b"");
        assert!(body(&length, b"ab", Some("GET")).is_err());
        assert!(body(&chunked, b"2\r\nab\r\n", Some("GET")).is_err());
    }

    #[test]
    fn a_chunked_body_is_written_as_it_is_read() {
        let head = Head::new("HTTP/1.1 200 OK", &[("Transfer-Encoding", "chunked")]);
        let mut written = Vec::new();
        let mut outgoing = Outgoing::new(&mut written, &head);
        outgoing.write(b"ab").unwrap();
        outgoing.write(b"c").unwrap();
        outgoing.end().unwrap();
        let mut reader = &written[..];
        let again = Head::read(&mut reader).unwrap().unwrap();
        assert_eq!(body(&again, reader, Some("GET")).unwrap(), b"abc");
    }
}
