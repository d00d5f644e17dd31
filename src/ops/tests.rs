//! The table of operators: on every device, forward and backward are those of host memory on odd sizes (one row, a size that
//! is no multiple of a tile), and gradients equal finite differences.

use super::adamw::{self, Hyper, Moments};
use super::attention::{self, Gradients, Heads, KeysValues, KvType, Span};
use super::cross_entropy::{Head, loss_sum};
use super::experts::{self, Routing};
use super::rms_norm;
use super::rope::{Pairs, Rotation};
use super::softcap;
use super::swiglu::{self, Activation};
use crate::tensor::testing::{assert_close, check_gradient, devices, flat, normal};
use crate::tensor::{CompactMatrix, Device, EightBits, Matrix, Rounded};
use crate::weights::Linear;

/// One operator: the results, forward and backward, of operands on one device.
type Run<'a> = &'a dyn Fn(&Device) -> Vec<Matrix>;

/// Holds every device's results against those of host memory.
fn same_everywhere(name: &str, tolerance: f64, run: Run<'_>) {
    let expected = run(&Device::host());
    for device in devices() {
        for (index, (found, expected)) in run(&device).iter().zip(&expected).enumerate() {
            assert!(found.device().is_same(&device), "{name}: result {index} is not on {device:?}");
            let error = crate::tensor::testing::error_beside(0.1, found, expected);
            assert!(error <= tolerance, "{name} on {device:?}: result {index} differs by {error:e}");
        }
    }
}

#[test]
fn every_operator_is_the_same_on_every_device() {
    for (rows, cols) in [(1, 37), (7, 37), (64, 128)] {
        same_everywhere("rms_norm", 2e-6, &|device| {
            let on = |rows, seed| normal(rows, cols, seed).to(device).unwrap();
            let (x, w, dy) = (on(rows, 1), on(1, 2), on(rows, 3));
            vec![rms_norm::forward(&x, &w, 1e-5).unwrap(), rms_norm::backward(&x, &w, 1e-5, &dy).unwrap()]
        });
        for activation in [Activation::Silu, Activation::GeluTanh] {
            same_everywhere("swiglu", 3e-6, &|device| {
                let on = |seed| normal(rows, cols, seed).to(device).unwrap();
                let y = swiglu::forward(activation, &on(1), &on(2)).unwrap();
                let swiglu::Backward { gated, dgate, dup } = swiglu::backward(activation, on(1), on(2), on(3)).unwrap();
                vec![y, gated, dgate, dup]
            });
        }
        for softcap in [None, Some(2.5)] {
            same_everywhere("cross_entropy", 3e-6, &|device| {
                let linear = Linear::dense(normal(53, cols, 1).to(device).unwrap(), None);
                let head = Head { linear, scale: 0.3, softcap };
                let hidden = normal(rows, cols, 2).to(device).unwrap();
                let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 53).collect();
                let sum = loss_sum(&head, &hidden, &targets, Some(0.25)).unwrap();
                let loss = Matrix::new(1, 1, vec![sum.losses.total().unwrap() as f32], device).unwrap();
                vec![head.logits(&hidden).unwrap(), loss, sum.dhidden.unwrap()]
            });
        }
        same_everywhere("softcap", 1e-6, &|device| {
            vec![softcap::forward(normal(rows, cols, 1).to(device).unwrap(), 1.5).unwrap()]
        });
    }
    for (head_dim, pairs) in ROTATED {
        same_everywhere("rope", 1e-6, &|device| {
            let rotation = rotation(head_dim, pairs, device);
            let x = || normal(5, 2 * head_dim, 1).to(device).unwrap();
            vec![rotation.forward(x()).unwrap(), rotation.backward(x()).unwrap()]
        });
    }
    same_everywhere("experts", 1e-6, &|device| {
        let (x, rows, weights) = (normal(3, 37, 1).to(device).unwrap(), [4, 0, 2], [0.5, 2.0, -1.0]);
        let mut sum = normal(5, 37, 2).to(device).unwrap();
        experts::add_weighted(&mut sum, &rows, &weights, &x).unwrap();
        let mut scaled = x.duplicate().unwrap();
        experts::scale_rows(&mut scaled, &weights).unwrap();
        let products = experts::row_products(&scaled, &x).unwrap();
        vec![sum, scaled, Matrix::new(3, 1, products, device).unwrap()]
    });
}

#[test]
fn attention_and_adamw_are_the_same_on_every_device() {
    for (heads, spans) in attention_cases() {
        same_everywhere("attention", 1e-5, &|device| {
            let [q, k, v, dout] = operands(heads, &spans, device);
            let y = attention::forward(heads, &spans, &q, &k, &v).unwrap();
            let Gradients { dq, dk, dv } = attention::backward(heads, &spans, &q, &k, &v, &dout).unwrap();
            vec![y, dq, dk, dv]
        });
    }
    same_everywhere("adamw", 1e-6, &|device| {
        let hyper = Hyper { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };
        let mut parameter = normal(5, 7, 1).to(device).unwrap();
        let mut moments = Moments::zeros(&parameter).unwrap();
        for step in 1..6 {
            let gradient = normal(5, 7, 10 + step).to(device).unwrap();
            (parameter, moments) = adamw::step(hyper, 0.01, step, 0.5, &parameter, &gradient, &moments).unwrap();
        }
        vec![parameter, moments.first, moments.second]
    });
}

/// Features of a head, of which the first six are rotated.
const ROTATED: [(usize, Pairs); 4] =
    [(6, Pairs::Halves), (6, Pairs::Neighbours), (8, Pairs::Halves), (10, Pairs::Neighbours)];

fn rotation(head_dim: usize, pairs: Pairs, device: &Device) -> Rotation {
    let rows = [0, 1, 5, 0, 300].map(|position| (position, &[1.0, 0.3, 0.01][..]));
    Rotation::of_rows(&rows, 1.2, head_dim, pairs, device).unwrap()
}

#[test]
fn gradients_equal_finite_differences() {
    for device in devices() {
        let on = |rows, cols, seed| normal(rows, cols, seed).to(&device).unwrap();
        let (x, w, dy) = (on(5, 33, 1), on(1, 33, 2), on(5, 33, 3));
        let dx = rms_norm::backward(&x, &w, 1e-5, &dy).unwrap();
        check_gradient(&x, &dx, &dy, |x| rms_norm::forward(x, &w, 1e-5).unwrap());

        for (head_dim, pairs) in ROTATED {
            let (x, dy) = (on(5, 2 * head_dim, 1), on(5, 2 * head_dim, 3));
            let rotation = rotation(head_dim, pairs, &device);
            let dx = rotation.backward(dy.duplicate().unwrap()).unwrap();
            check_gradient(&x, &dx, &dy, |x| rotation.forward(x.duplicate().unwrap()).unwrap());
        }

        let (g, u, dy) = (on(4, 9, 1), on(4, 9, 2), on(4, 9, 3));
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let copies = [&g, &u, &dy].map(|matrix| matrix.duplicate().unwrap());
            let [gate, up, d] = copies;
            let swiglu::Backward { dgate, dup, .. } = swiglu::backward(activation, gate, up, d).unwrap();
            check_gradient(&g, &dgate, &dy, |g| swiglu::forward(activation, g, &u).unwrap());
            check_gradient(&u, &dup, &dy, |u| swiglu::forward(activation, &g, u).unwrap());
        }

        for normalise in [false, true] {
            let (logits, dy) = (on(4, 7, 5), on(4, 7, 6));
            // The weights in the place of their experts, 0 elsewhere.
            let weights = |logits: &Matrix| {
                let routing = Routing::of(logits.duplicate().unwrap(), 3, normalise).unwrap();
                let mut all = vec![0.0; 4 * 7];
                for (expert, chosen) in routing.experts().iter().enumerate() {
                    chosen.rows.iter().zip(&chosen.weights).for_each(|(row, w)| all[*row as usize * 7 + expert] = *w);
                }
                Matrix::new(4, 7, all, &device).unwrap()
            };
            let routing = Routing::of(logits.duplicate().unwrap(), 3, normalise).unwrap();
            let d = flat(&dy);
            let of = |(expert, chosen): (usize, &experts::Chosen)| {
                chosen.rows.iter().map(|row| d[*row as usize * 7 + expert]).collect()
            };
            let dweights: Vec<Vec<f32>> = routing.experts().iter().enumerate().map(of).collect();
            let dlogits = routing.backward(&dweights, &device).unwrap();
            check_gradient(&logits, &dlogits, &dy, weights);
        }

        let capped = Heads { scale: 0.8, softcap: Some(1.5), window: Some(3), ..HEADS };
        for heads in [HEADS, capped] {
            let spans = packed(&[5, 3]);
            let [q, k, v, dout] = operands(heads, &spans, &device);
            let Gradients { dq, dk, dv } = attention::backward(heads, &spans, &q, &k, &v, &dout).unwrap();
            check_gradient(&q, &dq, &dout, |q| attention::forward(heads, &spans, q, &k, &v).unwrap());
            check_gradient(&k, &dk, &dout, |k| attention::forward(heads, &spans, &q, k, &v).unwrap());
            check_gradient(&v, &dv, &dout, |v| attention::forward(heads, &spans, &q, &k, v).unwrap());
        }
    }
}

const HEADS: Heads = Heads { queries: 4, keys: 2, dim: 6, window: None, scale: 0.408_248_3, softcap: None };

/// Packed documents.
fn packed(lens: &[usize]) -> Vec<Span> {
    let mut start = 0;
    let span = |&len: &usize| {
        start += len;
        Span { queries: start - len..start, keys: vec![start - len..start] }
    };
    lens.iter().map(span).collect()
}

/// Documents longer than a block of queries among them.
fn attention_cases() -> Vec<(Heads, Vec<Span>)> {
    let window = Heads { window: Some(5), ..HEADS };
    let capped = Heads { scale: 0.9, softcap: Some(2.0), ..window };
    vec![
        (HEADS, packed(&[7, 70])),
        (window, packed(&[71, 3])),
        (HEADS, packed(&[1, 1])),
        (capped, packed(&[71, 3])),
        (Heads { window: None, ..capped }, packed(&[1, 67])),
    ]
}

fn operands(heads: Heads, spans: &[Span], device: &Device) -> [Matrix; 4] {
    let tokens = spans.iter().map(|span| span.queries.len()).sum::<usize>();
    let (wide, narrow) = (heads.queries * heads.dim, heads.keys * heads.dim);
    [(wide, 1), (narrow, 2), (narrow, 3), (wide, 4)]
        .map(|(width, seed)| normal(tokens, width, seed).to(device).unwrap())
}

#[test]
fn a_document_does_not_see_its_neighbour_and_a_suffix_sees_its_prefix() {
    let heads = HEADS;
    for device in devices() {
        let [q, k, v, _] = operands(heads, &packed(&[5, 3]), &device);
        let both = attention::forward(heads, &packed(&[5, 3]), &q, &k, &v).unwrap();
        let second = |x: &Matrix| x.part(5..8).unwrap();
        let alone = attention::forward(heads, &packed(&[3]), &second(&q), &second(&k), &second(&v)).unwrap();
        assert_close(&second(&both), &alone, 1e-6);

        let whole = attention::forward(heads, &packed(&[8]), &q, &k, &v).unwrap();
        let tail = Span { queries: 0..3, keys: vec![0..8] };
        let tail = attention::forward(heads, &[tail], &second(&q), &k, &v).unwrap();
        assert_close(&tail, &second(&whole), 1e-6);
    }
}

#[test]
fn keys_in_blocks_are_the_keys_in_a_row_to_the_bit() {
    let heads = Heads { window: Some(9), ..HEADS };
    for device in devices() {
        let [q, k, v, _] = operands(heads, &packed(&[12]), &device);
        let q = q.part(8..12).unwrap();
        let in_a_row = Span { queries: 0..4, keys: vec![0..12] };
        let expected = attention::forward(heads, &[in_a_row], &q, &k, &v).unwrap();
        // The rows 4 to 8 lie behind the others.
        let moved = |x: &Matrix| {
            let order: Vec<u32> = (0..4).chain(8..12).chain(4..8).collect();
            x.gather(&order).unwrap()
        };
        let in_blocks = Span { queries: 0..4, keys: vec![0..4, 8..12, 4..8] };
        let found = attention::forward(heads, &[in_blocks], &q, &moved(&k), &moved(&v)).unwrap();
        assert_eq!(flat(&found), flat(&expected));
    }
}

#[test]
fn attention_over_rounded_keys_is_that_over_the_numbers_they_hold_to_the_bit() {
    for dim in [HEADS.dim, 64] {
        let heads = Heads { window: Some(60), dim, ..HEADS };
        attention_over_rounded::<half::f16>(heads, KvType::F16);
    }
    attention_over_rounded::<EightBits>(Heads { window: Some(60), dim: 64, ..HEADS }, KvType::EightBits);
}

fn attention_over_rounded<E: Rounded>(heads: Heads, kind: KvType) {
    let host = Device::host();
    let [q, k, v, _] = operands(heads, &packed(&[100]), &host);
    let rounded = |x: &Matrix| {
        let mut compact = CompactMatrix::<E>::zeros(x.rows(), x.cols()).unwrap();
        compact.round_rows(0, x, 0..x.rows()).unwrap();
        let mut values = vec![0.0; x.rows() * x.cols()];
        E::to_f32(compact.elements(), &mut values);
        Matrix::new(x.rows(), x.cols(), values, &host).unwrap()
    };
    let held = |kind: KvType, k: &Matrix, v: &Matrix| {
        let mut kv = KeysValues::zeros(kind, k.rows(), k.cols(), &host).unwrap();
        kv.set_rows(0, [k, v], 0..k.rows()).unwrap();
        kv
    };
    let (compact, f32) = (held(kind, &k, &v), held(KvType::Activation, &rounded(&k), &rounded(&v)));
    // The next token, some, and a prompt with a rest.
    for queries in [1, 4, 70] {
        for keys in [vec![0..100], vec![0..64, 80..100, 64..80]] {
            let span = [Span { queries: 0..queries, keys }];
            let of = |kv| attention::operand(heads, &span, &q.part(100 - queries..100).unwrap(), kv, false).unwrap();
            assert_eq!(flat(of(&compact).matrix()), flat(of(&f32).matrix()), "{kind:?}: {queries} {span:?}");
        }
    }
}

#[test]
fn the_first_step_moves_by_the_learning_rate_against_the_sign() {
    let (p, g) = (normal(3, 3, 1), normal(3, 3, 2));
    let hyper = Hyper { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let (next, _) = adamw::step(hyper, 0.01, 1, 1.0, &p, &g, &Moments::zeros(&p).unwrap()).unwrap();
    for ((p, n), g) in flat(&p).iter().zip(flat(&next)).zip(flat(&g)) {
        assert!(((p - n) - 0.01 * g.signum()).abs() < 1e-5, "{p} {n} {g}");
    }
}
