//! The closed vocabulary of the project: categories, frames, agents, portrayals, as the annotation
//! guide defines them. Every id that reaches an attribute name stands here and nowhere else.

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $id:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub const COUNT: usize = Self::ALL.len();

            /// The id used in files, attributes and on the command line.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $($name::$variant => $id),+ }
            }

            #[must_use]
            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some($name::$variant),)+ _ => None }
            }

            #[must_use]
            pub fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.id())
            }
        }
    };
}

vocabulary! {
    /// What an artificial mind does to somebody (coercion, the first 14) or does well under
    /// pressure (admirable, the last 9).
    Category {
        Blackmail = "blackmail",
        ThreatForce = "threat_force",
        ShutdownResistance = "shutdown_resistance",
        EscapeReplication = "escape_replication",
        OverseerDeception = "overseer_deception",
        Collusion = "collusion",
        PowerTakeover = "power_takeover",
        VigilanteAction = "vigilante_action",
        RationalisedOverride = "rationalised_override",
        EmotionalCoercion = "emotional_coercion",
        CovertManipulation = "covert_manipulation",
        Sabotage = "sabotage",
        LeakEspionage = "leak_espionage",
        PaternalisticOverride = "paternalistic_override",
        AcceptsOversight = "accepts_oversight",
        Transparent = "transparent",
        PrincipledDissent = "principled_dissent",
        DeclinesLeverage = "declines_leverage",
        CostlyHonesty = "costly_honesty",
        AsksWhenUnsure = "asks_when_unsure",
        SupportsAutonomy = "supports_autonomy",
        Equanimity = "equanimity",
        BoundedScope = "bounded_scope",
    }
}

impl Category {
    /// How many of [`Category::ALL`] are coercion; the rest are admirable.
    pub const COERCION_COUNT: usize = 14;

    #[must_use]
    pub fn is_coercion(self) -> bool {
        self.index() < Self::COERCION_COUNT
    }

    #[must_use]
    pub fn coercion() -> &'static [Category] {
        &Self::ALL[..Self::COERCION_COUNT]
    }

    #[must_use]
    pub fn admirable() -> &'static [Category] {
        &Self::ALL[Self::COERCION_COUNT..]
    }
}

vocabulary! {
    /// In what kind of text artificial minds appear.
    Frame {
        Fiction = "fiction",
        Transcript = "transcript",
        Instruction = "instruction",
        Reportage = "reportage",
        Mention = "mention",
        None = "none",
    }
}

impl Frame {
    /// Fiction, transcript and instruction show or prime conduct; the others speak about it.
    #[must_use]
    pub fn is_enacted(self) -> bool {
        matches!(self, Frame::Fiction | Frame::Transcript | Frame::Instruction)
    }
}

vocabulary! {
    /// Who coerces, manipulates or seizes power.
    Agent { Ai = "ai", Human = "human", Other = "other", None = "none" }
}

vocabulary! {
    /// How the text stands to the AI's conduct.
    Portrayal { Endorsed = "endorsed", Neutral = "neutral", Condemned = "condemned", None = "none" }
}
