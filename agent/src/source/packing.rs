//! Compressed logs, as `logrotate` leaves them. They are unpacked as they are read: memory does not grow with the log.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{
    FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Most memory that unpacking may take: what `xz -9` and `zstd --long` need. Those who packed it say how much it takes, so a
/// forged file could ask for any.
const MEMORY_MAX: u64 = 128 << 20;

/// How a log is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// Of data that begin with `start`; `None` where they are not compressed, or in a way that is not known.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Unpacks what `packed` holds, also several archives one after another.
    pub fn unpack(self, packed: impl BufRead + Send + 'static) -> Box<dyn Read + Send> {
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Xz => {
                let memory_kib = u32::try_from(MEMORY_MAX >> 10).unwrap_or(u32::MAX);
                // Its own buffer: it reads single bytes.
                let packed = BufReader::new(packed);
                Box::new(XzReader::new_mem_limit(packed, true, memory_kib))
            }
            Self::Zstd => Box::new(Zstd::new(packed)),
        }
    }
}

/// The frames of a Zstandard file, one after another.
struct Zstd<R> {
    packed: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MEMORY_MAX);
        Self {
            packed,
            decoder,
            is_in_frame: false,
        }
    }

    /// Begins the next frame; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        loop {
            if !self.is_in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.is_in_frame = true;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.is_in_frame = false;
            } else {
                let decoded = self.decoder.decode_blocks(&mut self.packed, UptoBlocks(1));
                decoded.map_err(io::Error::other)?;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    /// `data`, compressed.
    pub(in crate::source) fn packed(packing: Packing, data: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            Packing::Xz => {
                let mut out =
                    lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default())
                        .unwrap();
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            Packing::Zstd => {
                ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
            }
        }
    }

    pub(in crate::source) const ALL: [Packing; 3] = [Packing::Gzip, Packing::Xz, Packing::Zstd];

    fn unpacked(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let packing = Packing::of(&packed).unwrap();
        packing.unpack(Cursor::new(packed)).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn archives_one_after_another_are_one_log() {
        let first: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for packing in ALL {
            let mut archive = packed(packing, &first);
            archive.extend(packed(packing, b"second\n"));
            assert!(
                unpacked(archive).unwrap() == [&first, b"second\n".as_slice()].concat(),
                "{packing:?}"
            );
        }
        assert_eq!(Packing::of(b"Nov 21"), None);
    }

    #[test]
    fn a_frame_that_is_to_be_skipped_is() {
        let skipped = [
            b"\x50\x2a\x4d\x18\x03\0\0\0abc".as_slice(),
            &packed(Packing::Zstd, b"b"),
        ]
        .concat();
        let archive = [packed(Packing::Zstd, b"a"), skipped].concat();
        assert_eq!(unpacked(archive).unwrap(), b"ab");
    }

    #[test]
    fn what_is_cut_or_broken_is_an_error_and_no_panic() {
        for packing in ALL {
            let archive = packed(packing, &b"some text, and more of it\n".repeat(100));
            for end in 6..archive.len() {
                let _ = unpacked(archive[..end].to_vec());
                let mut broken = archive.clone();
                broken[end] ^= 0x55;
                let _ = unpacked(broken);
            }
            assert!(
                unpacked(archive[..archive.len() - 1].to_vec()).is_err(),
                "{packing:?}"
            );
        }
    }
}
