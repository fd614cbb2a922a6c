//! Where a record keeps its text, id and source, as it is told on the command line.

use crate::shard::FieldPaths;

#[derive(clap::Args)]
pub struct FieldArgs {
    /// Dotted path of the text
    #[arg(long, default_value = "text")]
    text_field: String,
    /// Dotted path of the id
    #[arg(long, default_value = "id")]
    id_field: String,
    /// Dotted path of the source
    #[arg(long, default_value = "source")]
    source_field: String,
}

impl FieldArgs {
    /// The paths that are meant.
    pub fn paths(&self) -> FieldPaths {
        FieldPaths {
            text: self.text_field.clone(),
            id: self.id_field.clone(),
            source: self.source_field.clone(),
        }
    }
}
