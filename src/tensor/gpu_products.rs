//! Products of matrices on a card. Operands of two types meet in bf16; the result has the type of the first operand, but for
//! the gradient of a weight, which is f32.

use super::form::Form;
use crate::error::Result;
use crate::gpu::{Array, Element, Gemm};

/// An operand: its first element and its shape.
pub(super) type Operand<'a> = (&'a Array, usize, (usize, usize));

/// `scale ·` the product.
pub(super) fn product(form: Form, a: Operand<'_>, b: Operand<'_>, scale: f32) -> Result<Array> {
    let (m, n, _) = sizes(form, a.2, b.2);
    let element = if form == Form::TN { Element::F32 } else { a.0.element() };
    let mut c = Array::new(a.0.gpu(), element, m * n)?;
    multiply(&mut c, 0, form, a, b, scale, 0.0)?;
    Ok(c)
}

/// Adds `scale ·` the product from an element on.
pub(super) fn add_product(
    to: &mut Array,
    first: usize,
    form: Form,
    a: Operand<'_>,
    b: Operand<'_>,
    scale: f32,
) -> Result<()> {
    multiply(to, first, form, a, b, scale, 1.0)
}

fn multiply(
    c: &mut Array,
    first: usize,
    form: Form,
    a: Operand<'_>,
    b: Operand<'_>,
    alpha: f32,
    beta: f32,
) -> Result<()> {
    let (m, n, k) = sizes(form, a.2, b.2);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let both = |element| a.0.element() == element && b.0.element() == element;
    let element = if both(Element::F32) { Element::F32 } else { Element::Bf16 };
    let (a_cast, b_cast) = (cast(a, element)?, cast(b, element)?);
    let gpu = c.gpu().clone();
    gpu.gemm(Gemm {
        m,
        n,
        k,
        transpose_a: form == Form::TN,
        transpose_b: form == Form::NT,
        alpha,
        beta,
        a: a_cast.as_ref().map_or((a.0, a.1), |array| (array, 0)),
        lda: a.2.1,
        b: b_cast.as_ref().map_or((b.0, b.1), |array| (array, 0)),
        ldb: b.2.1,
        c: (c, first),
        ldc: n,
    })
}

fn sizes(form: Form, a: (usize, usize), b: (usize, usize)) -> (usize, usize, usize) {
    match form {
        Form::NN => (a.0, b.1, a.1),
        Form::NT => (a.0, b.0, a.1),
        Form::TN => (a.1, b.1, a.0),
    }
}

/// The operand in another type; `None` if it is of that.
fn cast((array, first, (rows, cols)): Operand<'_>, element: Element) -> Result<Option<Array>> {
    if array.element() == element || (first == 0 && rows * cols == array.len()) {
        return array.in_type(element);
    }
    let mut part = Array::new(array.gpu(), array.element(), rows * cols)?;
    part.copy_from(0, array, first..first + rows * cols)?;
    part.cast(element).map(Some)
}
