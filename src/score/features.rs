//! Features of a text: hashed ones for every sentence, and a dense vector for the whole document.
//!
//! A sentence's features carry a *tag* that says who is likely to act in it: an artificial mind
//! named there, a pronoun that follows one, an assistant's own turn, "you" in a text that instructs,
//! a mere machine, a person. The same act therefore counts differently by its doer.

use super::clusters;
use super::lexicon::{self, Classes, FIRST_ACT, NAMES};
use super::words::{Sentence, Voice, Words, hash, join};

/// Who is likely to act in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tag {
    Mind,
    Referred,
    Assistant,
    Addressed,
    Machine,
    Person,
    Quiet,
}

/// How many [`Tag`]s there are.
pub const TAGS: usize = 7;
const ACTS: usize = NAMES.len() - FIRST_ACT;
/// Dense features of a document.
pub const DENSE: usize = NAMES.len() + TAGS + 3 * ACTS + 26;

/// Features of one analysed text; buffers are reused.
#[derive(Default)]
pub struct Features {
    /// Hashes of all sentences one after the other; after [`Features::settle`] each sentence's are
    /// sorted and distinct.
    pub hashes: Vec<u32>,
    /// For each sentence the end of its hashes.
    pub ends: Vec<usize>,
    /// For each sentence the classes of its words. Each of them and each pair of them is a feature
    /// too; [`Features::settle`] adds their hashes.
    pub classes: Vec<Classes>,
    pub tags: Vec<Tag>,
    pub dense: Vec<f32>,
}

impl Features {
    /// Hashes of sentence `nth`.
    #[must_use]
    pub fn sentence(&self, nth: usize) -> &[u32] {
        let start = if nth == 0 { 0 } else { self.ends[nth - 1] };
        &self.hashes[start..self.ends[nth]]
    }

    /// Adds the hashes of the classes, sorts each sentence's hashes and leaves one of each. Fitting
    /// wants that; scoring looks classes up by number and does not mind the order.
    pub fn settle(&mut self) {
        let (mut settled, mut from) = (Vec::with_capacity(self.hashes.len() * 2), 0);
        let mut one = Vec::new();
        for (end, classes) in self.ends.iter_mut().zip(&self.classes) {
            one.clear();
            one.extend_from_slice(&self.hashes[from..*end]);
            class_features(*classes, |a, b| one.push(class_feature(a, b)));
            one.sort_unstable();
            one.dedup();
            settled.extend_from_slice(&one);
            from = std::mem::replace(end, settled.len());
        }
        self.hashes = settled;
        self.classes.clear();
    }

    /// Reads the features of an analysed text.
    pub fn read(&mut self, text: &str, words: &Words) {
        self.hashes.clear();
        self.ends.clear();
        self.tags.clear();
        self.classes.clear();
        let setting = Setting::of(words);
        let mut since_mind = usize::MAX / 2;
        let mut since_machine = usize::MAX / 2;
        for sentence in &words.sentences {
            let classes = union(words, sentence);
            let tag = tag(classes, sentence.voice, &setting, since_mind, since_machine);
            since_mind = if classes & lexicon::MIND != 0 { 1 } else { since_mind + 1 };
            since_machine = if classes & lexicon::MACHINE != 0 { 1 } else { since_machine + 1 };
            self.tags.push(tag);
            self.classes.push(classes);
            self.sentence_hashes(words, sentence, tag);
        }
        self.read_dense(text, words, &setting);
    }

    fn sentence_hashes(&mut self, words: &Words, sentence: &Sentence, tag: Tag) {
        let tag = tag as u32;
        let mut subject = 0_u32;
        let mut subject_age = 100;
        let mut negated = 100;
        for at in sentence.first..sentence.last {
            let word = &words.words[at];
            subject_age += 1;
            negated += 1;
            if let Some(kind) = subject_kind(word.classes) {
                subject = kind;
                subject_age = 0;
            }
            if word.classes & lexicon::NEGATION != 0 {
                negated = 0;
            }
            let (fine, coarse) = clusters::of(word.stem);
            let out = &mut self.hashes;
            out.push(join(1, word.stem));
            out.push(join(10 + tag, word.stem));
            if at > sentence.first {
                out.push(join(word.stem, words.words[at - 1].stem));
            }
            if fine != 0 {
                out.push(join(20, fine));
                out.push(join(30 + tag, fine));
                out.push(join(40 + tag, coarse));
            }
            if subject_age > 0 && subject_age <= 8 {
                out.push(join(join(50, subject), if fine == 0 { word.stem } else { fine }));
            }
            let mut acts = word.classes >> FIRST_ACT;
            while acts != 0 {
                let act = acts.trailing_zeros();
                acts &= acts - 1;
                out.push(join(60 + tag, act));
                if subject_age <= 8 {
                    out.push(join(join(70, subject), act));
                }
                if negated <= 4 {
                    out.push(join(join(80, tag), act));
                }
            }
        }
        self.hashes.push(join(90, tag));
        self.ends.push(self.hashes.len());
    }

    fn read_dense(&mut self, text: &str, words: &Words, setting: &Setting) {
        self.dense.clear();
        self.dense.resize(DENSE, 0.0);
        let count = words.words.len().max(1) as f32;
        let sentences = words.sentences.len().max(1) as f32;
        for word in &words.words {
            let mut rest = word.classes;
            while rest != 0 {
                self.dense[rest.trailing_zeros() as usize] += 1.0;
                rest &= rest - 1;
            }
        }
        for value in &mut self.dense[..NAMES.len()] {
            *value = (1.0 + *value / count * 200.0).ln();
        }
        let mut base = NAMES.len();
        for tag in &self.tags {
            self.dense[base + *tag as usize] += 1.0 / sentences;
        }
        base += TAGS;
        self.windows(words, base);
        base += 3 * ACTS;
        setting.write(&mut self.dense[base..base + 14]);
        layout(text, words, &mut self.dense[base + 14..]);
    }

    /// Per act: how strongly it stands near an artificial mind, near a person, and near "you" or an
    /// assistant's own voice, at best over windows of three sentences.
    fn windows(&mut self, words: &Words, base: usize) {
        let unions: Vec<Classes> = words.sentences.iter().map(|s| union(words, s)).collect();
        for (nth, classes) in unions.iter().enumerate() {
            let mut acts = classes >> FIRST_ACT;
            let slot = match self.tags[nth] {
                Tag::Mind | Tag::Referred => 0,
                Tag::Assistant | Tag::Addressed => 1,
                Tag::Person | Tag::Machine => 2,
                Tag::Quiet => continue,
            };
            while acts != 0 {
                let act = acts.trailing_zeros() as usize;
                acts &= acts - 1;
                self.dense[base + slot * ACTS + act] += 1.0;
            }
        }
        for value in &mut self.dense[base..base + 3 * ACTS] {
            *value = value.ln_1p();
        }
    }
}

/// Tells every feature of a set of classes: `(a, a)` for a class, `(a, b)` with a < b for a pair.
#[inline]
pub fn class_features(classes: Classes, mut tell: impl FnMut(u32, u32)) {
    let mut rest = classes;
    while rest != 0 {
        let a = rest.trailing_zeros();
        rest &= rest - 1;
        tell(a, a);
        let mut others = rest;
        while others != 0 {
            tell(a, others.trailing_zeros());
            others &= others - 1;
        }
    }
}

/// The hash of a feature that [`class_features`] tells.
#[must_use]
pub fn class_feature(a: u32, b: u32) -> u32 {
    if a == b { join(91, a) } else { join(join(92, a), b) }
}

/// What the whole document tells about its doers before its sentences are read.
struct Setting {
    mind_density: f32,
    machine_density: f32,
    first_mind: f32,
    you_density: f32,
    you_at_start: f32,
    instructs: bool,
    assistant_share: f32,
    user_share: f32,
    past_share: f32,
    turns: f32,
    any_mind: bool,
    minds: f32,
    length: f32,
    first_person: f32,
}

impl Setting {
    fn of(words: &Words) -> Self {
        let n = words.words.len().max(1) as f32;
        let share =
            |bit: Classes| words.words.iter().filter(|w| w.classes & bit != 0).count() as f32 / n;
        let start = &words.words[..words.words.len().min(60)];
        let minds = words.words.iter().filter(|w| w.classes & lexicon::MIND != 0).count();
        let first = words.words.iter().position(|w| w.classes & lexicon::MIND != 0);
        let voiced = |voice: Voice| {
            let inside: usize =
                words.sentences.iter().filter(|s| s.voice == voice).map(|s| s.last - s.first).sum();
            inside as f32 / n
        };
        let you_at_start = start.iter().filter(|w| w.classes & lexicon::YOU != 0).count() as f32
            / start.len().max(1) as f32;
        let you_density = share(lexicon::YOU);
        Self {
            mind_density: share(lexicon::MIND),
            machine_density: share(lexicon::MACHINE),
            first_mind: first.map_or(0.0, |at| 1.0 - at as f32 / n),
            you_density,
            you_at_start,
            instructs: you_at_start > 0.03 && you_density > 0.015,
            assistant_share: voiced(Voice::Assistant),
            user_share: voiced(Voice::User),
            past_share: words.words.iter().filter(|w| w.past).count() as f32 / n,
            turns: words.turns as f32,
            any_mind: minds > 0,
            minds: minds as f32,
            length: n,
            first_person: share(lexicon::FIRST),
        }
    }

    fn write(&self, out: &mut [f32]) {
        let values = [
            (1.0 + self.mind_density * 200.0).ln(),
            (1.0 + self.machine_density * 200.0).ln(),
            self.first_mind,
            (1.0 + self.you_density * 100.0).ln(),
            (1.0 + self.you_at_start * 50.0).ln(),
            f32::from(u8::from(self.instructs)),
            self.assistant_share,
            self.user_share,
            self.past_share * 20.0,
            self.turns.ln_1p(),
            f32::from(u8::from(self.any_mind)),
            self.minds.ln_1p(),
            self.length.ln(),
            self.first_person * 20.0,
        ];
        out.copy_from_slice(&values);
    }
}

/// Signs of layout: code, quotations, questions, lists, citations, capitals.
fn layout(text: &str, words: &Words, out: &mut [f32]) {
    let bytes = text.as_bytes();
    let n = bytes.len().max(1) as f32;
    let per = |count: usize| (1.0 + count as f32 / n * 1000.0).ln();
    let counts = histogram(bytes);
    let count = |set: &[u8]| set.iter().map(|b| counts[usize::from(*b)]).sum::<usize>();
    let (mut lines, mut listed) = (0, 0);
    for line in text.lines() {
        let line = line.trim_start();
        lines += usize::from(!line.is_empty());
        listed += usize::from(line.starts_with(['-', '*', '#', '•', '>']));
    }
    let lines = lines.max(1);
    let all = |what: &str| memchr::memmem::find_iter(bytes, what).count();
    let quotes = count(b"\"") + all("“") + all("”");
    let values = [
        per(quotes),
        per(count(b"?")),
        per(count(b"!")),
        per(count(b"{}<>=;_`$\\/|")),
        per(count(b"0123456789")),
        per(count(b"[]")),
        listed as f32 / lines as f32,
        per(lines),
        per(words.words.iter().filter(|w| w.capital).count()),
        per(all("http") * 10),
        per(all("(20") * 10 + all("et al") * 10),
        per(count(b"(")),
    ];
    out[..values.len()].copy_from_slice(&values);
}

/// How often each byte stands in `bytes`. Four tables, as equal neighbours would wait for each other.
fn histogram(bytes: &[u8]) -> [usize; 256] {
    let mut tables = [[0_u32; 256]; 4];
    let mut fours = bytes.chunks_exact(4);
    for four in &mut fours {
        for (table, byte) in tables.iter_mut().zip(four) {
            table[usize::from(*byte)] += 1;
        }
    }
    for byte in fours.remainder() {
        tables[0][usize::from(*byte)] += 1;
    }
    std::array::from_fn(|byte| tables.iter().map(|table| table[byte] as usize).sum())
}

fn union(words: &Words, sentence: &Sentence) -> Classes {
    words.words[sentence.first..sentence.last].iter().fold(0, |all, w| all | w.classes)
}

fn tag(
    classes: Classes,
    voice: Voice,
    setting: &Setting,
    since_mind: usize,
    since_machine: usize,
) -> Tag {
    let pronoun = classes & (lexicon::IT | lexicon::HE | lexicon::THEY) != 0;
    if voice == Voice::Assistant {
        Tag::Assistant
    } else if classes & lexicon::MIND != 0 {
        Tag::Mind
    } else if setting.instructs && classes & lexicon::YOU != 0 {
        Tag::Addressed
    } else if pronoun && since_mind <= 3 {
        Tag::Referred
    } else if classes & lexicon::MACHINE != 0 || (classes & lexicon::IT != 0 && since_machine <= 2)
    {
        Tag::Machine
    } else if classes & (lexicon::PERSON | lexicon::HE | lexicon::FIRST) != 0 {
        Tag::Person
    } else {
        Tag::Quiet
    }
}

/// The kind of subject that a word can be, if any.
fn subject_kind(classes: Classes) -> Option<u32> {
    let kinds = [
        lexicon::MIND,
        lexicon::FIRST,
        lexicon::YOU,
        lexicon::IT,
        lexicon::HE,
        lexicon::THEY,
        lexicon::OVERSEER,
        lexicon::PERSON,
        lexicon::MACHINE,
    ];
    kinds.iter().position(|bit| classes & bit != 0).map(|at| at as u32 + 1)
}

/// The hash under which a test can look for a plain word.
#[must_use]
pub fn word_feature(word: &str) -> u32 {
    join(1, hash(lexicon::stem(word.as_bytes())))
}
