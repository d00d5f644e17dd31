//! Which alternatives of a `oneOf` can be taken as they are: those that no document has in common.

use super::shape::{ObjectShape, Places, Reader, Shape};
use super::source::Loc;
use crate::error::{Code, Result};

/// How deep two alternatives of a `oneOf` are compared.
const MAX_COMPARED: usize = 4;

impl Reader<'_> {
    /// `oneOf`: each alternative, and none of the others where they overlap.
    pub(super) fn exclusive(&mut self, place: Loc, count: usize) -> Result<Vec<Places>> {
        let mut children = Vec::with_capacity(count);
        for index in 0..count {
            children.push(self.source.child(place, &["oneOf", &index.to_string()])?);
        }
        let mut branches = Vec::with_capacity(count);
        for (index, &child) in children.iter().enumerate() {
            let mut branch = vec![child];
            for (other_index, &other) in children.iter().enumerate() {
                self.source.spend(1, place, "oneOf")?;
                if index == other_index || self.are_disjoint(&[child], &[other], 0)? {
                    continue;
                }
                let negation = match self.source.negation(other, place, "oneOf") {
                    Err(err) if err.code() == Code::Cancelled => return Err(err),
                    // What the negation leaves out must not make an alternative go away in silence.
                    Ok(negation) if !self.source.partial || !self.are_disjoint(&[child], &[negation], 0)? => negation,
                    _ => {
                        let why = format!(
                            "has alternatives that overlap ({index} and {other_index}), and no grammar holds that just one applies; write `anyOf`"
                        );
                        return Err(self.source.refuse(place, "oneOf", why));
                    }
                };
                branch.push(negation);
            }
            branches.push(branch);
        }
        Ok(branches)
    }

    /// Whether no value satisfies both. `false` may also mean that it is not known.
    fn are_disjoint(&mut self, a: &[Loc], b: &[Loc], depth: usize) -> Result<bool> {
        if depth > MAX_COMPARED {
            return Ok(false);
        }
        // What refers to itself, or cannot be read yet, is not known to be apart.
        let (shapes, others) = match (self.shapes(a), self.shapes(b)) {
            (Ok(shapes), Ok(others)) => (shapes, others),
            (Err(err), _) | (_, Err(err)) if err.code() == Code::Cancelled => return Err(err),
            _ => return Ok(false),
        };
        for shape in shapes.iter() {
            for other in others.iter() {
                let place = a.first().copied().unwrap_or(0);
                self.source.spend(1, place, "oneOf")?;
                if !self.shapes_are_disjoint((shape, a), (other, b), depth)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn shapes_are_disjoint(
        &mut self,
        (a, at_a): (&Shape, &[Loc]),
        (b, at_b): (&Shape, &[Loc]),
        depth: usize,
    ) -> Result<bool> {
        Ok(match (a, b) {
            (Shape::Literals(texts), _) => self.all_break(texts, at_b)?,
            (_, Shape::Literals(texts)) => self.all_break(texts, at_a)?,
            (Shape::Number(a), Shape::Number(b)) => a.is_disjoint(b),
            (Shape::Text(a), Shape::Text(b)) => {
                a.max.is_some_and(|most| most < b.min) || b.max.is_some_and(|most| most < a.min)
            }
            (Shape::Array(a), Shape::Array(b)) => {
                a.max.is_some_and(|most| most < b.min) || b.max.is_some_and(|most| most < a.min)
            }
            (Shape::Object(a), Shape::Object(b)) => {
                let lacks = |object: &ObjectShape, name: &String| {
                    !object.named.iter().any(|member| member.name == *name)
                        && (object.free.is_empty() || object.taken.contains(name))
                };
                let required = |object: &ObjectShape| -> Vec<String> {
                    object.named.iter().filter(|member| member.required).map(|member| member.name.clone()).collect()
                };
                if required(a).iter().any(|name| lacks(b, name)) || required(b).iter().any(|name| lacks(a, name)) {
                    return Ok(true);
                }
                for member in a.named.iter().filter(|member| member.required) {
                    let other = b.named.iter().find(|other| other.required && other.name == member.name);
                    if let Some(other) = other
                        && self.are_disjoint(&member.places, &other.places, depth + 1)?
                    {
                        return Ok(true);
                    }
                }
                false
            }
            _ => true,
        })
    }
}
