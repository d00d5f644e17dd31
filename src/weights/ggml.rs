//! GGML's blocks as they lie in files: how many bytes they have, and their values.

use crate::error::{Code, Error, Result};
pub(crate) use candle_core::quantized::GgmlDType;
use candle_core::quantized::k_quants::*;
use half::{bf16, f16};
use rayon::prelude::*;

/// Types of which every bit pattern is a value: numbers, and structs of numbers without padding.
///
/// # Safety
/// The implementer vouches for that.
pub(super) unsafe trait Plain: GgmlType {}

macro_rules! plain {
    ($($name:ident)*) => { $(
        // SAFETY: floats, or `repr(C)` structs of them and of integers whose size candle asserts to have no padding.
        unsafe impl Plain for $name {}
    )* };
}
plain!(f32 f16 bf16 BlockQ4_0 BlockQ4_1 BlockQ5_0 BlockQ5_1 BlockQ8_0 BlockQ2K BlockQ3K BlockQ4K BlockQ5K BlockQ6K);

/// Copies blocks out of bytes of any alignment; a rest that is no whole block is left out.
pub(super) fn blocks<T: Plain>(bytes: &[u8]) -> Vec<T> {
    let count = bytes.len() / size_of::<T>();
    let mut blocks = Vec::<T>::with_capacity(count);
    // SAFETY: `count` blocks fit into the vector and are in `bytes`; any bytes make a value of `T`. GGML's byte order is
    // little-endian, as is that of every target this is built for.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), blocks.as_mut_ptr().cast::<u8>(), count * size_of::<T>());
        blocks.set_len(count);
    }
    blocks
}

/// The type of a number of ggml's, if it is read.
pub(crate) fn type_of(id: u32) -> Option<GgmlDType> {
    Some(match id {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

/// The types that are read, for messages.
pub(crate) const SUPPORTED: &str = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and Q2_K to Q6_K";

/// The name of a number of ggml's, whether it is read or not.
pub(crate) fn type_name(id: u32) -> String {
    const NAMES: [(u32, &str); 26] = [
        (0, "F32"),
        (1, "F16"),
        (2, "Q4_0"),
        (3, "Q4_1"),
        (6, "Q5_0"),
        (7, "Q5_1"),
        (8, "Q8_0"),
        (9, "Q8_1"),
        (10, "Q2_K"),
        (11, "Q3_K"),
        (12, "Q4_K"),
        (13, "Q5_K"),
        (14, "Q6_K"),
        (15, "Q8_K"),
        (16, "IQ2_XXS"),
        (17, "IQ2_XS"),
        (18, "IQ3_XXS"),
        (19, "IQ1_S"),
        (20, "IQ4_NL"),
        (21, "IQ3_S"),
        (22, "IQ2_S"),
        (23, "IQ4_XS"),
        (29, "IQ1_M"),
        (30, "BF16"),
        (34, "TQ1_0"),
        (35, "TQ2_0"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("ggml type {id}"), |(_, name)| (*name).to_owned())
}

/// Bytes of a row of `width` values; `None` if they are no whole number of blocks.
pub(crate) fn row_bytes(dtype: GgmlDType, width: usize) -> Option<usize> {
    (width.is_multiple_of(dtype.block_size()))
        .then(|| width / dtype.block_size())
        .and_then(|n| n.checked_mul(dtype.type_size()))
}

/// `values` as blocks of a type that weights are kept in, row by row, and the bytes of a row.
pub(super) fn quantize(dtype: GgmlDType, [rows, width]: [usize; 2], values: &[f32]) -> Result<(Vec<u8>, usize)> {
    let row_bytes = row_bytes(dtype, width).ok_or_else(|| {
        let message = format!("rows of {width} values are no whole number of blocks of {dtype:?}");
        Error::new(Code::Unsupported, message)
    })?;
    let mut bytes: Vec<u8> = crate::memory::reserved(rows * row_bytes)?;
    bytes.resize(rows * row_bytes, 0);
    let rows = bytes.par_chunks_mut(row_bytes.max(1)).zip(values.par_chunks(width.max(1)));
    rows.try_for_each(|(bytes, values)| match dtype {
        GgmlDType::Q4_0 => quantize_row::<BlockQ4_0>(values, bytes),
        GgmlDType::Q5_0 => quantize_row::<BlockQ5_0>(values, bytes),
        GgmlDType::Q8_0 => quantize_row::<BlockQ8_0>(values, bytes),
        GgmlDType::Q4K => quantize_row::<BlockQ4K>(values, bytes),
        GgmlDType::Q5K => quantize_row::<BlockQ5K>(values, bytes),
        GgmlDType::Q6K => quantize_row::<BlockQ6K>(values, bytes),
        other => Err(Error::new(Code::Internal, format!("weights are not quantized to {other:?}"))),
    })?;
    Ok((bytes, row_bytes))
}

fn quantize_row<T: Plain>(values: &[f32], bytes: &mut [u8]) -> Result<()> {
    let mut blocks = vec![T::zeros(); values.len() / T::BLCK_SIZE];
    T::from_float(values, &mut blocks);
    // SAFETY: structs without padding, as `Plain` says.
    let stored = unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(&*blocks)) };
    bytes.copy_from_slice(stored);
    Ok(())
}

/// The values of a row.
pub(crate) fn dequantize(dtype: GgmlDType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    if row_bytes(dtype, out.len()) != Some(bytes.len()) {
        let message = format!("{} values of {dtype:?} do not lie in {} bytes", out.len(), bytes.len());
        return Err(Error::new(Code::Internal, message));
    }
    match dtype {
        GgmlDType::F32 => f32::to_float(&blocks(bytes), out),
        GgmlDType::F16 => f16::to_float(&blocks(bytes), out),
        GgmlDType::BF16 => bf16::to_float(&blocks(bytes), out),
        GgmlDType::Q4_0 => BlockQ4_0::to_float(&blocks(bytes), out),
        GgmlDType::Q4_1 => BlockQ4_1::to_float(&blocks(bytes), out),
        GgmlDType::Q5_0 => BlockQ5_0::to_float(&blocks(bytes), out),
        GgmlDType::Q5_1 => BlockQ5_1::to_float(&blocks(bytes), out),
        GgmlDType::Q8_0 => BlockQ8_0::to_float(&blocks(bytes), out),
        GgmlDType::Q2K => BlockQ2K::to_float(&blocks(bytes), out),
        GgmlDType::Q3K => BlockQ3K::to_float(&blocks(bytes), out),
        GgmlDType::Q4K => BlockQ4K::to_float(&blocks(bytes), out),
        GgmlDType::Q5K => BlockQ5K::to_float(&blocks(bytes), out),
        GgmlDType::Q6K => BlockQ6K::to_float(&blocks(bytes), out),
        GgmlDType::Q8_1 | GgmlDType::Q8K => {
            return Err(Error::new(Code::Unsupported, format!("{dtype:?} is no type of weights")));
        }
    }
    Ok(())
}
