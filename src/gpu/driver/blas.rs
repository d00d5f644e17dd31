//! cuBLAS.

use super::super::Element;
use super::super::failed;
use super::super::product::Product;
use crate::error::Result;
use cudarc::cublas::{result, sys};
use cudarc::driver::sys::CUstream;
use std::sync::{Mutex, PoisonError};

/// A handle, whose calls must not meet.
pub(super) struct Blas(Mutex<Handle>);

struct Handle(sys::cublasHandle_t);

// SAFETY: a handle may move between threads as long as no two use it at the same time, which the lock sees to.
unsafe impl Send for Handle {}

impl Blas {
    /// # Safety
    /// The stream is of the current context and outlives this.
    pub(super) unsafe fn new(stream: CUstream) -> std::result::Result<Self, String> {
        let because = |err: result::CublasError| format!("cuBLAS does not start: {:?}", err.0);
        let handle = result::create_handle().map_err(because)?;
        // SAFETY: the handle was just made; the stream is the caller's.
        unsafe {
            result::set_stream(handle, stream.cast()).map_err(because)?;
            // Partial sums of long products stay in f32.
            let mode = sys::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
            sys::cublasSetMathMode(handle, mode).result().map_err(because)?;
        }
        Ok(Blas(Mutex::new(Handle(handle))))
    }

    /// One that takes no memory of its own while it works.
    ///
    /// # Safety
    /// As above, and the workspace outlives this, too.
    pub(super) unsafe fn with_workspace(
        stream: CUstream,
        workspace: u64,
        bytes: usize,
    ) -> std::result::Result<Self, String> {
        // SAFETY: the caller's.
        let blas = unsafe { Self::new(stream)? };
        let handle = blas.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the handle was just made; the workspace is the caller's.
        let set = unsafe { sys::cublasSetWorkspace_v2(handle.0, workspace as *mut _, bytes).result() };
        set.map_err(|err| format!("cuBLAS takes no workspace: {:?}", err.0))?;
        drop(handle);
        Ok(blas)
    }

    /// # Safety
    /// The operands lie in memory of the handle's context.
    pub(super) unsafe fn gemm(&self, p: &Product) -> Result<()> {
        let size = |size: usize| i32::try_from(size).map_err(|_| failed("multiply", format!("{size} rows or columns")));
        let operation = |transpose| match transpose {
            true => sys::cublasOperation_t::CUBLAS_OP_T,
            false => sys::cublasOperation_t::CUBLAS_OP_N,
        };
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // cuBLAS counts columns first: Cᵀ = op(B)ᵀ · op(A)ᵀ of what it takes for the transposes.
        // SAFETY: the caller's; alpha and beta are f32 in host memory, as the compute type and the pointer mode say.
        let done = unsafe {
            result::gemm_ex(
                handle.0,
                operation(p.transpose_b),
                operation(p.transpose_a),
                size(p.n)?,
                size(p.m)?,
                size(p.k)?,
                (&raw const p.alpha).cast(),
                p.b as *const _,
                data_type(p.operands),
                size(p.ldb)?,
                p.a as *const _,
                data_type(p.operands),
                size(p.lda)?,
                (&raw const p.beta).cast(),
                p.c as *mut _,
                data_type(p.result),
                size(p.ldc)?,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        done.map_err(|err| failed("multiply", format!("{} × {} × {}: cuBLAS says {:?}", p.m, p.k, p.n, err.0)))
    }
}

fn data_type(element: Element) -> sys::cudaDataType {
    match element {
        Element::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}
