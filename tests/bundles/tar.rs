//! Writing ustar (POSIX.1-1988), as it should be and as it should not.

/// A header, of which any byte can be changed before its checksum is made.
#[derive(Clone)]
pub struct Header {
    bytes: [u8; 512],
    has_checksum: bool,
}

impl Header {
    /// A file of root's with the mode 0644.
    pub fn file(path: &str, size: usize) -> Header {
        let header = Header { bytes: [0; 512], has_checksum: true };
        let header =
            header.put(0, path.as_bytes()).put(100, b"0000644\0").put(108, b"0000000\0").put(116, b"0000000\0");
        let header = header.put(136, b"00000000000\0").put(156, b"0").put(257, b"ustar\x0000");
        header.size(size)
    }

    /// A directory of root's with the mode 0755.
    pub fn directory(path: &str) -> Header {
        Header::file(path, 0).kind(b'5').mode(0o755)
    }

    /// A symbolic link.
    pub fn link(path: &str, target: &str) -> Header {
        Header::file(path, 0).kind(b'2').mode(0o777).put(157, target.as_bytes())
    }

    /// Another type.
    pub fn kind(self, kind: u8) -> Header {
        self.put(156, &[kind])
    }

    /// Another mode.
    pub fn mode(self, mode: u32) -> Header {
        self.put(100, format!("{mode:07o}\0").as_bytes())
    }

    /// Another size.
    pub fn size(self, size: usize) -> Header {
        self.put(124, format!("{size:011o}\0").as_bytes())
    }

    /// A prefix before the name.
    pub fn prefix(self, prefix: &str) -> Header {
        self.put(345, prefix.as_bytes())
    }

    /// These bytes at this offset.
    pub fn put(mut self, offset: usize, bytes: &[u8]) -> Header {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// With a checksum of these bytes, whatever they are.
    pub fn checksum(self, bytes: &[u8; 8]) -> Header {
        Header { has_checksum: false, ..self.put(148, bytes) }
    }

    /// As it is written.
    pub fn bytes(mut self) -> [u8; 512] {
        if self.has_checksum {
            seal(&mut self.bytes);
        }
        self.bytes
    }
}

/// Gives a header the checksum of what is in it.
pub fn seal(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive.
#[derive(Clone, Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    /// With one more entry, its content filled up to whole blocks.
    pub fn add(mut self, header: Header, content: &[u8]) -> Archive {
        self.0.extend(header.bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// How many bytes it has so far.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// With the two blocks of zeros that are its end.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    /// As it is, without an end.
    pub fn unended(self) -> Vec<u8> {
        self.0
    }
}
