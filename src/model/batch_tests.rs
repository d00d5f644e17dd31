//! Many sequences in one pass, each with its own stack, over the blocks of one pool.

use super::batch::Batch;
use super::test_support::*;
use super::*;
use crate::tensor::Matrix;
use crate::tensor::testing::relative_error;

#[test]
fn sequences_of_one_batch_are_what_they_are_alone() {
    let fixture = fixtures().join("training/qwen2");
    for device in devices() {
        let decoder = load_on(&fixtures().join("models/qwen2"), device);
        let lora = stack(&fixture.join("adapter"), &decoder, 2.0);
        let (base, stacks) = (LoraStack::none(), [&lora, &LoraStack::none()]);
        let prompts: [(&[u32], usize); 3] = [(&[5, 6, 7, 8, 9, 3, 1], 0), (&[10, 11], 1), (&[1, 2, 3, 4], 0)];
        let mut pool = decoder.new_pool(1).unwrap();
        let mut tables: Vec<BlockTable> = prompts.iter().map(|_| BlockTable::default()).collect();
        // Two tokens at a time, so that blocks are taken in turns and sequences end at different steps.
        let mut found: Vec<Vec<f32>> = vec![Vec::new(); 3];
        for from in (0..8).step_by(2) {
            let mut batch = Batch::default();
            let mut stepped = Vec::new();
            for (index, (ids, stack)) in prompts.iter().enumerate() {
                let Some(ids) = ids.get(from..ids.len().min(from + 2)).filter(|ids| !ids.is_empty()) else { continue };
                pool.reserve(&mut tables[index], ids.len()).unwrap();
                batch.push_tokens(ids, &tables[index], *stack, [ids.len() - 1]);
                stepped.push((index, ids.len()));
            }
            if stepped.is_empty() {
                continue;
            }
            let logits = decoder.logits(&decoder.hidden(&batch, &mut pool, &stacks).unwrap()).unwrap();
            for (row, (index, count)) in stepped.into_iter().enumerate() {
                tables[index].advance(count);
                found[index] = logits.part(row..row + 1).unwrap().values().unwrap();
            }
        }
        for ((ids, stack), found) in prompts.iter().zip(found) {
            let mut cache = decoder.new_cache(16).unwrap();
            let hidden = decoder.extend(ids, &mut cache, if *stack == 0 { &lora } else { &base }).unwrap();
            let expected = decoder.logits(&hidden.part(ids.len() - 1..ids.len()).unwrap()).unwrap();
            let found = Matrix::new(1, found.len(), found, &crate::tensor::Device::host()).unwrap();
            assert!(relative_error(&found, &expected) < 2e-5, "{device:?}: {ids:?}");
        }
    }
}

#[test]
fn the_front_of_a_prompt_leaves_what_its_end_needs() {
    for device in devices() {
        let decoder = load_on(&fixtures().join("models/qwen2"), device);
        let (ids, none) = ([5, 6, 7, 8, 9, 3, 1], LoraStack::none());
        let (mut pool, mut table) = (decoder.new_pool(0).unwrap(), BlockTable::default());
        let mut read = |ids: &[u32], outputs: std::ops::Range<usize>| {
            pool.reserve(&mut table, ids.len()).unwrap();
            let mut batch = Batch::default();
            batch.push_tokens(ids, &table, 0, outputs);
            let hidden = decoder.hidden(&batch, &mut pool, &[&none]).unwrap();
            table.advance(ids.len());
            hidden
        };
        assert_eq!(read(&ids[..4], 0..0).shape(), (0, decoder.config().hidden_size), "{device:?}");
        let found = read(&ids[4..], 2..3);
        let whole = decoder.extend(&ids, &mut decoder.new_cache(8).unwrap(), &none).unwrap();
        assert!(relative_error(&found, &whole.part(6..7).unwrap()) < 2e-5, "{device:?}");
    }
}
