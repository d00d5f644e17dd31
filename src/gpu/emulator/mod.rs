//! A card in host memory: kernels that `build.rs` compiled for the host run block by block, so tests see what they compute
//! on a machine without a GPU. It shows what they compute, not how fast.

use super::launch::Grid;
use super::product::Product;
use super::{Backend, Element, failed};
use crate::error::Result;
use half::bf16;
use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{CString, c_char, c_int, c_uint, c_void};

/// As CUDA's driver aligns memory.
const ALIGNMENT: usize = 256;
/// Written to memory that is taken: f32 and bf16 that are no numbers.
const ANYTHING: u8 = 0xFF;

unsafe extern "C" {
    /// `emulator.cpp`.
    fn tailora_emulator_launch(
        name: *const c_char,
        grid: *const c_uint,
        threads: c_uint,
        shared_bytes: c_uint,
        args: *mut *mut c_void,
    ) -> c_int;
}

pub(super) struct Emulator;

impl Backend for Emulator {
    fn name(&self) -> &str {
        "emulator"
    }

    fn memory(&self) -> Result<(u64, u64)> {
        Ok((1 << 33, 1 << 33))
    }

    fn take(&self, bytes: usize) -> Result<u64> {
        let layout = layout(bytes)?;
        // SAFETY: the layout is not empty, and what was taken is as long as it says.
        unsafe {
            let address = alloc(layout);
            if address.is_null() {
                return Err(failed("give memory", format!("{bytes} bytes")));
            }
            address.write_bytes(ANYTHING, bytes);
            Ok(address as u64)
        }
    }

    fn give_back(&self, address: u64, bytes: usize) {
        if let Ok(layout) = layout(bytes) {
            // SAFETY: taken with this layout.
            unsafe { dealloc(address as *mut u8, layout) }
        }
    }

    unsafe fn clear(&self, address: u64, bytes: usize) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { (address as *mut u8).write_bytes(0, bytes) };
        Ok(())
    }

    unsafe fn upload(&self, from: &[u8], to: u64) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { (to as *mut u8).copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        Ok(())
    }

    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from as *const u8, to.len()) };
        Ok(())
    }

    unsafe fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { (to as *mut u8).copy_from(from as *const u8, bytes) };
        Ok(())
    }

    unsafe fn launch(&self, kernel: &str, grid: Grid, args: &mut [*mut c_void]) -> Result<()> {
        let name = CString::new(kernel).map_err(|_| failed("run a kernel", "its name has a zero byte"))?;
        // SAFETY: the caller's.
        let code = unsafe {
            tailora_emulator_launch(name.as_ptr(), grid.blocks.as_ptr(), grid.threads, grid.shared, args.as_mut_ptr())
        };
        let why = match code {
            0 => return Ok(()),
            1 => "there is no such kernel",
            2 => "its threads wait for each other in vain",
            _ => "a block cannot be as large",
        };
        Err(failed("run a kernel", format!("{kernel} in {grid:?}: {why}")))
    }

    unsafe fn gemm(&self, p: &Product) -> Result<()> {
        let index = |transpose, row, col, stride| if transpose { col * stride + row } else { row * stride + col };
        for row in 0..p.m {
            for col in 0..p.n {
                let product = |i| {
                    // SAFETY: the caller's.
                    unsafe {
                        f64::from(read(p.a, p.operands, index(p.transpose_a, row, i, p.lda)))
                            * f64::from(read(p.b, p.operands, index(p.transpose_b, i, col, p.ldb)))
                    }
                };
                let sum: f64 = (0..p.k).map(product).sum();
                let at = row * p.ldc + col;
                // SAFETY: the caller's.
                unsafe {
                    let before = if p.beta == 0.0 { 0.0 } else { p.beta * read(p.c, p.result, at) };
                    write(p.c, p.result, at, p.alpha * sum as f32 + before);
                }
            }
        }
        Ok(())
    }
}

fn layout(bytes: usize) -> Result<Layout> {
    Layout::from_size_align(bytes, ALIGNMENT).map_err(|err| failed("give memory", err))
}

unsafe fn read(address: u64, element: Element, index: usize) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        match element {
            Element::Bf16 => (address as *const bf16).add(index).read().to_f32(),
            _ => (address as *const f32).add(index).read(),
        }
    }
}

unsafe fn write(address: u64, element: Element, index: usize, value: f32) {
    // SAFETY: the caller's.
    unsafe {
        match element {
            Element::Bf16 => (address as *mut bf16).add(index).write(bf16::from_f32(value)),
            _ => (address as *mut f32).add(index).write(value),
        }
    }
}
