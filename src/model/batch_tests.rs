//! Many sequences in one pass, each with its own stack, over the blocks of one pool.

use super::batch::Batch;
use super::test_support::*;
use super::*;
use crate::tensor::testing::relative_error;
use crate::tensor::{DeviceChoice, Matrix};

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

#[test]
fn on_a_card_further_tokens_are_repetitions_and_the_same() {
    let fixture = fixtures().join("training/qwen2");
    let cards = devices().into_iter().filter(|device| ![DeviceChoice::Cpu, DeviceChoice::Reference].contains(device));
    for card in cards {
        let decoders = [DeviceChoice::Cpu, card].map(|device| load_on(&fixtures().join("models/qwen2"), device));
        let stacks = decoders.each_ref().map(|decoder| {
            [decoder.frozen(&stack(&fixture.join("adapter"), decoder, 2.0)).unwrap(), LoraStack::none()]
        });
        let mut pools = decoders.each_ref().map(|decoder| decoder.new_pool(1).unwrap());
        // Two sequences that are at the end of a block at different times.
        let mut tables = [(); 2].map(|()| [(); 2].map(|()| BlockTable::default()));
        let mut ids: [Vec<u32>; 2] = [(0..60).map(|i| i % 17).collect(), (0..3).collect()];
        for step in 0..12 {
            let mut next = Vec::new();
            for device in 0..2 {
                let (decoder, pool, tables) = (&decoders[device], &mut pools[device], &mut tables[device]);
                let mut batch = Batch::default();
                for (index, ids) in ids.iter().enumerate() {
                    pool.reserve(&mut tables[index], ids.len()).unwrap();
                    batch.push_tokens(ids, &tables[index], index, [ids.len() - 1]);
                }
                let stacks = stacks[device].each_ref();
                let logits = decoder.logits(&decoder.hidden(&batch, pool, &stacks).unwrap()).unwrap();
                tables.iter_mut().zip(&ids).for_each(|(table, ids)| table.advance(ids.len()));
                next.push(
                    Matrix::new(2, logits.cols(), logits.values().unwrap(), &crate::tensor::Device::host()).unwrap(),
                );
            }
            assert!(relative_error(&next[1], &next[0]) < 2e-5, "{card:?}: step {step}");
            let likeliest = |logits: &Matrix, row: usize| {
                let row = logits.part(row..row + 1).unwrap().values().unwrap();
                (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u32
            };
            for (row, ids) in ids.iter_mut().enumerate() {
                let tokens = next.iter().map(|logits| likeliest(logits, row)).collect::<Vec<_>>();
                assert_eq!(tokens[0], tokens[1], "{card:?}: step {step}");
                *ids = vec![tokens[0]];
            }
            // The prompts, two tokens of which the second is recorded, and two that repeat it; then the pool grows.
            let replays = [0, 0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7];
            assert_eq!(decoders[1].recordings.replays(), replays[step], "{card:?}: step {step}");
            assert_eq!(decoders[0].recordings.replays(), 0);
        }
    }
}
