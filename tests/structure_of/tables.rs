//! The tables that name what there is: types of weights, families of models.

use crate::sources::Source;
use syn::visit::Visit;

/// The types in `TYPES` of `src/weights/mod.rs`: the name of each, and where its own file or folder begins.
pub fn types_of_weights(sources: &[Source]) -> Vec<(String, String)> {
    let table = sources.iter().find(|source| source.name == "src/weights/mod.rs").expect("the table of types");
    let file = syn::parse_file(&table.text).unwrap();
    let statics = file.items.iter().filter_map(|item| match item {
        syn::Item::Static(item) if item.ident == "TYPES" => Some(&*item.expr),
        _ => None,
    });
    let rows = statics.flat_map(|expr| match expr {
        syn::Expr::Array(array) => array.elems.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    rows.map(|row| {
        let syn::Expr::Reference(row) = row else { panic!("a row of TYPES that is no reference") };
        let syn::Expr::Path(path) = &*row.expr else { panic!("a row of TYPES that is no path") };
        let parts: Vec<String> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
        let (name, home) = parts.split_last().expect("a path has a name");
        (name.to_lowercase(), format!("src/weights/{}", home.join("/")))
    })
    .collect()
}

/// The `model_type` of every `Family { … }` under `src/model/families`.
pub fn families(sources: &[Source]) -> Vec<String> {
    struct Rows(Vec<String>);
    impl<'ast> Visit<'ast> for Rows {
        fn visit_expr_struct(&mut self, row: &'ast syn::ExprStruct) {
            if row.path.segments.last().is_some_and(|name| name.ident == "Family") {
                for field in &row.fields {
                    let is_name = matches!(&field.member, syn::Member::Named(name) if name == "model_type");
                    if let (true, syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. })) =
                        (is_name, &field.expr)
                    {
                        self.0.push(name.value());
                    }
                }
            }
            syn::visit::visit_expr_struct(self, row);
        }
    }
    let mut rows = Rows(Vec::new());
    for source in sources.iter().filter(|source| source.name.starts_with("src/model/families")) {
        rows.visit_file(&syn::parse_file(&source.text).unwrap());
    }
    rows.0
}
