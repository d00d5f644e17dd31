//! The kinds of finding: how bad each is, and what to do about it.

use serde::Serialize;

/// How much a finding harms a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// The model would learn something wrong.
    Error,
    /// It may.
    Warning,
    /// Worth knowing.
    Note,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident, $severity:ident, $remedy:literal;)*) => {
        /// The kinds of finding, by their names in the JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum Kind {
            $($(#[doc = $doc])* $name,)*
        }

        impl Kind {
            pub fn severity(self) -> Severity {
                match self { $(Kind::$name => Severity::$severity,)* }
            }

            /// What a person does about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Kind::$name => $remedy,)* }
            }
        }
    };
}

kinds! {
    /// The file's encoding was concluded from its bytes.
    Encoding, Note, "look at a few rows, and save the file as UTF-8 if they are garbled";
    /// A column name is there twice (not one of ours).
    DuplicateHeader, Note, "rename one of the columns";
    /// A row without input or output was left out.
    Empty, Note, "fill the field, or remove the row";
    /// The same input and output as an earlier row.
    DuplicateRow, Warning, "keep one of the rows (the repaired copy keeps the first of those that are alike in every column)";
    /// The same input as an earlier row, another output.
    ConflictingOutput, Error, "decide which output is right and remove the other row";
    /// An earlier row in other spacing, punctuation, case or order of fields.
    NearDuplicate, Warning, "keep one of the rows";
    /// The input of an earlier row in other spacing, punctuation, case or order of fields, with another output.
    NearConflict, Error, "decide which output is right and remove the other row";
    /// An input that is on both sides of the split.
    Leak, Error, "move one of the rows to the other side of the split, or remove it";
    /// One label that stands for opposite things in two groups.
    OppositeLabel, Error, "rename the label in one of the groups, or train an adapter for each group (option `group`)";
    /// A score in the output that the input lacks.
    UngroundedScore, Warning, "add the score to the input, or take it out of the output";
    /// The output repeats the input.
    OutputIsInput, Error, "write the output, or remove the row";
    /// A blank of a template, a note such as `TODO`, or an output that says nothing.
    TemplateText, Error, "write what belongs there, or remove the row";
    /// The name of a person in an output.
    PersonName, Warning, "say `the employee` instead, or a made-up name that is also in the input";
    /// Nearly all outputs are one label.
    LabelImbalance, Warning, "add rows with the other labels";
    /// An output far shorter or longer than the others.
    LengthOutlier, Warning, "check whether the output is complete, or whether two rows were joined";
    /// A field of more than 8,000 characters.
    VeryLong, Note, "check whether a quote was left open, or shorten it";
    /// U+FFFD: text was lost before this file was written.
    ReplacementCharacter, Error, "export the file again: what was lost cannot be computed";
    /// `????`: text was lost before this file was written.
    QuestionMarks, Error, "export the file again in UTF-8: what was lost cannot be computed";
    /// `锟斤拷`, `Ã¤`, `浣犲ソ`: text that was read in the wrong encoding before this file was written.
    Mojibake, Error, "export the file again in UTF-8 (the repaired copy undoes it where nothing was lost)";
    /// Characters of the private use areas: rare but for text in the wrong encoding.
    PrivateUse, Warning, "replace the characters";
    /// Control characters other than tabs and line ends.
    ControlCharacter, Warning, "remove the characters";
    /// Zero-width characters, byte order marks, bidi controls, soft hyphens.
    InvisibleCharacter, Warning, "remove the characters (the repaired copy does)";
    /// `#NAME?`, `#REF!`: a formula that failed in a spreadsheet.
    SpreadsheetError, Error, "mend the formula and export again";
    /// `1.10105E+17`: a long number that a spreadsheet shortened.
    ScientificNumber, Warning, "format the column as text and export again";
    /// `_x000D_`, `&nbsp;`, `\u4f60`: a character as some program's escape.
    Escape, Warning, "export the text itself";
    /// A Chinese mobile number.
    PhoneNumber, Warning, "remove or replace it before training";
    /// A Chinese resident identity number whose check digit is right.
    IdNumber, Warning, "remove or replace it before training";
    /// An e-mail address.
    Email, Warning, "remove or replace it before training";
}
