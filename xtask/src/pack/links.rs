//! The links of packages' READMEs: a reader on nuget.org has no folders beside them. They are absolute, and those into the
//! repository lead to what is there.

use super::between;
use crate::shell::{Outcome, root};
use std::path::Path;

const READMES: [&str; 2] = ["README.md", "packages/README.native.md"];

pub fn check() -> Outcome {
    let binding = root().join("bindings").join("dotnet");
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|err| format!("cannot read {}: {err}", path.display()));
    let props = read(&binding.join("Directory.Build.props"))?;
    let repository = between(&props, "<RepositoryUrl>", "</RepositoryUrl>").ok_or("there is no <RepositoryUrl>")?;
    for readme in READMES {
        let path = binding.join(readme);
        let wrong = broken(&read(&path)?, repository, |file| root().join(file).exists());
        if !wrong.is_empty() {
            return Err(format!("{} has links that lead nowhere: {}", path.display(), wrong.join(", ")));
        }
    }
    Ok(())
}

fn broken(text: &str, repository: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let leads = |link: &str| match link.strip_prefix(repository) {
        Some(inside) => ["/blob/main/", "/tree/main/"].iter().filter_map(|way| inside.strip_prefix(way)).any(&exists),
        None => link.starts_with("https://"),
    };
    links.filter(|link| !leads(link)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_readmes_lead_somewhere() {
        check().unwrap();
    }

    #[test]
    fn relative_links_and_files_that_are_not_there_are_found() {
        let text = "[a](../a.md) [b](https://r/x/blob/main/b.md) [c](https://r/x/blob/main/c.md) [d](https://other)";
        assert_eq!(broken(text, "https://r/x", |file| file == "b.md"), ["../a.md", "https://r/x/blob/main/c.md"]);
    }
}
