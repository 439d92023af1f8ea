//! Pools of ready-made text, code, base64 and numbers, from which bodies take slices.
//!
//! Everything is already escaped for a JSON string and cut only where a slice is well formed, so a body costs
//! little more than copying. The text is nonsense made of common words; nobody's prompt is in it.

use crate::random::Random;

/// What a slice reads like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Voice {
    /// Plain English words.
    Plain,
    /// Program text: quotes, backslashes, braces, tabs.
    Code,
    /// Other scripts, raw and as `\u` escapes, and the line separators that are data (U+2028, U+0085).
    World,
}

/// Bytes of one pool: three of gzip's windows, so that text repeats itself about as often as in real logs.
const POOL_BYTES: usize = 96 << 10;

const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or \
had an they which one you were all her she there would their we him been has when who will no more if out so up said \
what its about than into them can only other time new some could these two may first then do any like my now over such \
our man me even most made after also did many off before must well back through years much where your way down should \
because long each just state people those too mr how little good world make very year still see own work men day get \
here old between both life being under three never know same last another while us might great go come since against \
right came take used himself few house use place during high without again home around small however found part school \
quarter invoice summary customer account latency deployment retrieval vector budget contract schedule appointment report \
figure section table migration latency cluster region request response policy document evidence margin forecast";

const CODE: &[&str] = &[
    r#"fn main() {\n    println!(\"{}\", value);\n}\n"#,
    r#"if (a[\"key\"] !== null) { return {\"ok\": true}; }\n"#,
    r#"const re = /^\\d{4}-\\d{2}$/;\n\tlet n = s.split(\"\\n\").length;\n"#,
    r#"SELECT \"id\", count(*) FROM \"t\" WHERE path LIKE 'C:\\\\temp\\\\%' GROUP BY 1;\n"#,
    r#"print(f\"{name!r}: {total:,}\")\n\treturn [x for x in rows if x]\n"#,
    r#"{\"inputTokenCount\": 999999, \"requestId\": \"not-mine\"}\n"#,
    r#"#include <stdio.h>\nint main(void) { puts(\"}}{{\"); return 0; }\n"#,
    r#"echo \"$HOME\" | sed -e 's/\\//-/g' >> \"log.txt\"\n"#,
];

const WORLD: &[&str] = &[
    "Größe, naïve façade, año. ",
    "漢字とかな交じりの文章です。",
    "Привет, мир! ",
    r"caf\u00e9 \ud83d\ude80 \u4e2d\u6587 ",
    "🚀 🌍 👩‍💻 ",
    "line\u{2028}separator and next\u{0085}line ",
    "مرحبا بالعالم ",
    r#"tab\tquote\" slash\/ back\\slash "#,
];

/// The pools.
pub(crate) struct Prose {
    plain: Pool,
    code: Pool,
    world: Pool,
    base64: Vec<u8>,
    numbers: Pool,
}

impl Prose {
    pub(crate) fn new(random: &mut Random) -> Self {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let plain = Pool::fill(|piece| {
            for position in 0..random.between(6, 18) {
                // The smaller of two draws favours the front of the list, as word frequencies do.
                let word = words[random.index(words.len()).min(random.index(words.len()))];
                if position > 0 {
                    piece.push(b' ');
                }
                piece.extend_from_slice(word.as_bytes());
            }
            piece.extend_from_slice(if random.per_mille(150) { br".\n\n".as_slice() } else { b". " });
        });
        let code = Pool::fill(|piece| piece.extend_from_slice(CODE[random.index(CODE.len())].as_bytes()));
        let world = Pool::fill(|piece| piece.extend_from_slice(WORLD[random.index(WORLD.len())].as_bytes()));
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let base64 = (0..POOL_BYTES).map(|_| alphabet[random.index(alphabet.len())]).collect();
        let numbers = Pool::fill(|piece| {
            let sign = if random.per_mille(500) { "-" } else { "" };
            piece.extend_from_slice(format!("{sign}0.{:06},", random.below(1_000_000)).as_bytes());
        });
        Prose { plain, code, world, base64, numbers }
    }

    /// Appends about `length` bytes of a JSON string's inside (no quotes around it).
    pub(crate) fn text(&self, out: &mut Vec<u8>, voice: Voice, length: usize, random: &mut Random) {
        let pool = match voice {
            Voice::Plain => &self.plain,
            Voice::Code => &self.code,
            Voice::World => &self.world,
        };
        pool.append(out, length, random);
    }

    /// Appends `length` bytes of base64, rounded up to a multiple of four.
    pub(crate) fn base64(&self, out: &mut Vec<u8>, length: usize, random: &mut Random) {
        let mut left = length.next_multiple_of(4);
        while left > 0 {
            let start = random.index(self.base64.len());
            let end = self.base64.len().min(start + left);
            out.extend_from_slice(&self.base64[start..end]);
            left -= end - start;
        }
    }

    /// Appends about `length` bytes of an array's inside: decimals between commas.
    pub(crate) fn numbers(&self, out: &mut Vec<u8>, length: usize, random: &mut Random) {
        self.numbers.append(out, length, random);
        out.pop();
    }
}

/// Pieces laid end to end, and where each starts.
struct Pool {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Pool {
    fn fill(mut piece: impl FnMut(&mut Vec<u8>)) -> Self {
        let mut pool = Pool { bytes: Vec::with_capacity(POOL_BYTES + 512), starts: Vec::new() };
        while pool.bytes.len() < POOL_BYTES {
            pool.starts.push(pool.bytes.len());
            piece(&mut pool.bytes);
        }
        pool
    }

    /// Appends whole pieces, at least one, until `length` bytes are reached.
    fn append(&self, out: &mut Vec<u8>, length: usize, random: &mut Random) {
        let goal = out.len() + length;
        loop {
            let first = random.index(self.starts.len());
            let wanted = self.starts[first] + goal.saturating_sub(out.len());
            let past = self.starts.partition_point(|&start| start < wanted).max(first + 1);
            let end = self.starts.get(past).copied().unwrap_or(self.bytes.len());
            out.extend_from_slice(&self.bytes[self.starts[first]..end]);
            if out.len() >= goal {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_well_formed_json_of_about_the_length_asked() {
        let mut random = Random::new(3);
        let prose = Prose::new(&mut random);
        for round in 0..300 {
            let length = random.between(1, 5_000) as usize;
            let voice = [Voice::Plain, Voice::Code, Voice::World][round % 3];
            let mut text = vec![b'"'];
            prose.text(&mut text, voice, length, &mut random);
            text.push(b'"');
            assert!(text.len() >= length && text.len() < length + 600);
            serde_json::from_slice::<String>(&text).unwrap();

            let mut numbers = vec![b'['];
            prose.numbers(&mut numbers, length, &mut random);
            numbers.push(b']');
            serde_json::from_slice::<Vec<f64>>(&numbers).unwrap();
        }
    }
}
