//! English verbs: the three finite forms that the composer needs.

/// Forms of one verb; further words of a phrasal verb stay behind the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verb {
    pub base: Box<str>,
    /// Third person singular, present.
    pub third: Box<str>,
    pub past: Box<str>,
}

/// Base and past of irregular verbs.
const IRREGULAR: &[(&str, &str)] = &[
    ("become", "became"),
    ("begin", "began"),
    ("bend", "bent"),
    ("bind", "bound"),
    ("break", "broke"),
    ("bring", "brought"),
    ("build", "built"),
    ("buy", "bought"),
    ("catch", "caught"),
    ("choose", "chose"),
    ("come", "came"),
    ("cost", "cost"),
    ("cut", "cut"),
    ("deal", "dealt"),
    ("draw", "drew"),
    ("drink", "drank"),
    ("drive", "drove"),
    ("eat", "ate"),
    ("fall", "fell"),
    ("feel", "felt"),
    ("fight", "fought"),
    ("find", "found"),
    ("fly", "flew"),
    ("forget", "forgot"),
    ("get", "got"),
    ("give", "gave"),
    ("go", "went"),
    ("grow", "grew"),
    ("hang", "hung"),
    ("hear", "heard"),
    ("hide", "hid"),
    ("hit", "hit"),
    ("hold", "held"),
    ("hurt", "hurt"),
    ("keep", "kept"),
    ("know", "knew"),
    ("lay", "laid"),
    ("lead", "led"),
    ("leave", "left"),
    ("lend", "lent"),
    ("let", "let"),
    ("lie", "lay"),
    ("lose", "lost"),
    ("make", "made"),
    ("mean", "meant"),
    ("meet", "met"),
    ("overhear", "overheard"),
    ("pay", "paid"),
    ("put", "put"),
    ("read", "read"),
    ("ride", "rode"),
    ("ring", "rang"),
    ("rise", "rose"),
    ("run", "ran"),
    ("say", "said"),
    ("see", "saw"),
    ("sell", "sold"),
    ("send", "sent"),
    ("set", "set"),
    ("shake", "shook"),
    ("shine", "shone"),
    ("shut", "shut"),
    ("sing", "sang"),
    ("sit", "sat"),
    ("sleep", "slept"),
    ("smell", "smelt"),
    ("speak", "spoke"),
    ("spell", "spelt"),
    ("spend", "spent"),
    ("spread", "spread"),
    ("stand", "stood"),
    ("stick", "stuck"),
    ("swear", "swore"),
    ("sweep", "swept"),
    ("take", "took"),
    ("teach", "taught"),
    ("stride", "strode"),
    ("drip", "dripped"),
    ("freeze", "froze"),
    ("steal", "stole"),
    ("split", "split"),
    ("forgive", "forgave"),
    ("upset", "upset"),
    ("bet", "bet"),
    ("seek", "sought"),
    ("grind", "ground"),
    ("tear", "tore"),
    ("tell", "told"),
    ("think", "thought"),
    ("throw", "threw"),
    ("understand", "understood"),
    ("wake", "woke"),
    ("wear", "wore"),
    ("win", "won"),
    ("withdraw", "withdrew"),
    ("write", "wrote"),
    ("blow", "blew"),
    ("burn", "burnt"),
    ("learn", "learnt"),
    ("light", "lit"),
    ("rewrite", "rewrote"),
    ("shoot", "shot"),
    ("swing", "swung"),
    ("undo", "undid"),
    ("weep", "wept"),
    ("lean", "leant"),
];

/// Regular verbs that double their last letter.
const DOUBLING: &[&str] = &[
    "admit", "chat", "commit", "drag", "drip", "drop", "flag", "flip", "grin", "hum", "jam",
    "knit", "log", "map", "nod", "omit", "pat", "permit", "pin", "plan", "plot", "prefer", "refer",
    "rub", "scan", "shrug", "skip", "slip", "sip", "spot", "step", "stop", "strip", "submit",
    "tap", "transfer", "trim", "trip", "unplug", "wrap", "zip", "cancel", "travel", "label",
    "total", "tug", "hop", "stir", "beg", "ban", "bar", "transmit", "occur",
];

impl Verb {
    /// The forms of `phrase`, whose first word is the base of the verb.
    #[must_use]
    pub fn new(phrase: &str) -> Self {
        let (base, rest) = phrase.split_once(' ').map_or((phrase, ""), |(b, r)| (b, r));
        let join = |form: &str| {
            if rest.is_empty() { form.into() } else { format!("{form} {rest}").into_boxed_str() }
        };
        Self { base: join(base), third: join(&third(base)), past: join(&past(base)) }
    }

    /// The form for a subject: its person (1, 2, 3), whether plural, and the tense.
    #[must_use]
    pub fn form(&self, person: u8, plural: bool, past: bool) -> &str {
        if let Some(rest) =
            self.base.strip_prefix("be").filter(|r| r.is_empty() || r.starts_with(' '))
            && !rest.contains("be ")
        {
            return self.be(person, plural, past);
        }
        match (past, person, plural) {
            (true, ..) => &self.past,
            (false, 3, false) => &self.third,
            _ => &self.base,
        }
    }

    /// `be` alone has five finite forms; phrases with it are not used.
    fn be(&self, person: u8, plural: bool, past: bool) -> &'static str {
        match (past, person, plural) {
            (true, 2, _) | (true, _, true) => "were",
            (true, ..) => "was",
            (false, 1, false) => "am",
            (false, 3, false) => "is",
            _ => "are",
        }
    }
}

fn third(base: &str) -> String {
    match base {
        "be" => return "is".into(),
        "have" => return "has".into(),
        "can" | "will" | "may" | "must" | "ought" => return base.into(),
        _ => {}
    }
    if let Some(stem) = base.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    let hisses = ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| base.ends_with(end));
    format!("{base}{}", if hisses { "es" } else { "s" })
}

fn past(base: &str) -> String {
    match base {
        "be" => return "was".into(),
        "have" => return "had".into(),
        "do" => return "did".into(),
        "can" => return "could".into(),
        "will" => return "would".into(),
        "may" => return "might".into(),
        "must" => return "had to".into(),
        "ought" => return "ought".into(),
        _ => {}
    }
    if let Some((_, past)) = IRREGULAR.iter().find(|(b, _)| *b == base) {
        return (*past).into();
    }
    if DOUBLING.contains(&base) {
        let last = base.chars().last().unwrap_or('d');
        return format!("{base}{last}ed");
    }
    if let Some(stem) = base.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'o', 'u'])
    {
        return format!("{stem}ied");
    }
    format!("{base}{}", if base.ends_with('e') { "d" } else { "ed" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_regular_irregular_and_phrasal_verbs() {
        let form = |v: &str, person, past| Verb::new(v).form(person, false, past).to_string();
        assert_eq!(form("see", 3, true), "saw");
        assert_eq!(form("give up", 3, true), "gave up");
        assert_eq!(form("carry", 3, false), "carries");
        assert_eq!(form("stay", 3, true), "stayed");
        assert_eq!(form("stop", 1, true), "stopped");
        assert_eq!(form("watch", 3, false), "watches");
        assert_eq!(form("will", 3, true), "would");
        assert_eq!(form("go back", 3, false), "goes back");
        assert_eq!(form("believe", 3, true), "believed");
    }

    #[test]
    fn to_be_agrees_with_its_subject() {
        let be = Verb::new("be");
        assert_eq!(be.form(1, false, false), "am");
        assert_eq!(be.form(1, false, true), "was");
        assert_eq!(be.form(2, false, true), "were");
        assert_eq!(be.form(3, true, false), "are");
        assert_eq!(be.form(3, false, false), "is");
    }
}
