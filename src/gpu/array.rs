//! Memory of a card, of one owner.

use super::arena::Lease;
use super::element::Element;
use super::launch::{Arg, Grid, blocks, name};
use super::work::Work;
use super::{Gpu, failed};
use crate::error::{Code, Error, Result};
use std::ops::Range;

/// Elements in the memory of a card.
pub(crate) struct Array {
    gpu: Gpu,
    element: Element,
    len: usize,
    address: u64,
    /// Of a recording's memory.
    lease: Option<Lease>,
}

impl Array {
    /// With anything in it.
    pub(crate) fn new(gpu: &Gpu, element: Element, len: usize) -> Result<Self> {
        let bytes = len
            .checked_mul(element.size())
            .ok_or_else(|| Error::new(Code::OutOfMemory, format!("{len} elements are more than a GPU can address")))?;
        let (address, lease) = gpu.take(bytes.max(1))?;
        Ok(Array { gpu: gpu.clone(), element, len, address, lease })
    }

    /// Zeros.
    pub(crate) fn zeros(gpu: &Gpu, element: Element, len: usize) -> Result<Self> {
        let array = Self::new(gpu, element, len)?;
        // SAFETY: the whole of what was just taken.
        unsafe { gpu.work(Work::Clear { address: array.address, bytes: array.bytes() })? };
        Ok(array)
    }

    /// A copy of values in host memory.
    pub(crate) fn upload_f32(gpu: &Gpu, values: &[f32]) -> Result<Self> {
        Self::upload(gpu, Element::F32, values)
    }

    /// The same of indices.
    pub(crate) fn upload_u32(gpu: &Gpu, values: &[u32]) -> Result<Self> {
        Self::upload(gpu, Element::U32, values)
    }

    /// The same of bytes.
    pub(crate) fn upload_bytes(gpu: &Gpu, values: &[u8]) -> Result<Self> {
        Self::upload(gpu, Element::U8, values)
    }

    /// The same of the bits of bf16 values.
    pub(crate) fn upload_bf16(gpu: &Gpu, bits: &[u16]) -> Result<Self> {
        Self::upload(gpu, Element::Bf16, bits)
    }

    fn upload<T: Copy>(gpu: &Gpu, element: Element, values: &[T]) -> Result<Self> {
        assert_eq!(size_of::<T>(), element.size(), "values of another size than their elements");
        // SAFETY: plain numbers without padding.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        let (address, lease) = gpu.take_with(bytes)?;
        Ok(Array { gpu: gpu.clone(), element, len: values.len(), address, lease })
    }

    /// Writes bytes of host memory from a byte on.
    pub(crate) fn write_bytes(&mut self, first: usize, bytes: &[u8]) -> Result<()> {
        self.check(first, bytes.len(), self.bytes())?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.gpu.with_host()?;
        // SAFETY: checked to lie within.
        unsafe { self.gpu.backend.upload(bytes, self.address + first as u64) }
    }

    /// The elements, which must be f32, in host memory. Waits for the work that gives them.
    pub(crate) fn download_f32(&self) -> Result<Vec<f32>> {
        match self.element {
            Element::F32 => self.download(),
            Element::Bf16 => self.cast(Element::F32)?.download(),
            other => Err(failed("read", format!("{} as f32", other.name()))),
        }
    }

    /// The same of u32.
    pub(crate) fn download_u32(&self) -> Result<Vec<u32>> {
        match self.element {
            Element::U32 => self.download(),
            other => Err(failed("read", format!("{} as u32", other.name()))),
        }
    }

    fn download<T: Copy + Default>(&self) -> Result<Vec<T>> {
        let mut values: Vec<T> = crate::memory::reserved(self.len)?;
        values.resize(self.len, T::default());
        if !values.is_empty() {
            self.gpu.with_host()?;
            // SAFETY: plain numbers, of which any bits are some, and as many as there are.
            unsafe {
                let bytes = std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), size_of_val(&*values));
                self.gpu.backend.download(self.address, bytes)?;
            }
        }
        Ok(values)
    }

    /// A copy in another type.
    pub(crate) fn cast(&self, element: Element) -> Result<Array> {
        let mut cast = Self::new(&self.gpu, element, self.len)?;
        if element == self.element {
            cast.copy_from(0, self, 0..self.len)?;
            return Ok(cast);
        }
        let kernel = name("cast", &[self.element, element]);
        let grid = Grid::of(blocks(self.len, CAST_PER_BLOCK), 256);
        let to = cast.at_mut(0);
        self.gpu.launch(&kernel, grid, &[self.at(0), to, Arg::from(self.len as u64)])?;
        Ok(cast)
    }

    /// A copy in another type; `None` if it is of that.
    pub(crate) fn in_type(&self, element: Element) -> Result<Option<Array>> {
        (self.element != element).then(|| self.cast(element)).transpose()
    }

    /// Copies a range of another array's, of the same type, to the elements from `first` on.
    pub(crate) fn copy_from(&mut self, first: usize, from: &Array, range: Range<usize>) -> Result<()> {
        if from.element != self.element {
            return Err(failed("copy", format!("{} to {}", from.element.name(), self.element.name())));
        }
        self.check(first, range.len(), self.len)?;
        from.check(range.start, range.len(), from.len)?;
        if range.is_empty() {
            return Ok(());
        }
        let size = self.element.size();
        let (source, target) = (from.address + (range.start * size) as u64, self.address + (first * size) as u64);
        // SAFETY: both ranges were checked to lie within.
        unsafe { self.gpu.work(Work::Copy { from: source, to: target, bytes: range.len() * size }) }
    }

    /// A copy of a range.
    pub(crate) fn part(&self, range: Range<usize>) -> Result<Array> {
        let mut part = Self::new(&self.gpu, self.element, range.len())?;
        part.copy_from(0, self, range)?;
        Ok(part)
    }

    fn check(&self, first: usize, count: usize, all: usize) -> Result<()> {
        if first.checked_add(count).is_some_and(|end| end <= all) {
            return Ok(());
        }
        Err(Error::new(Code::Internal, format!("{count} from {first} of an array of {all}")))
    }

    /// The card it is on.
    pub(crate) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The type of its elements.
    pub(crate) fn element(&self) -> Element {
        self.element
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.element.size()
    }

    /// Where element `index` lies, as an argument to read from.
    pub(crate) fn at(&self, index: usize) -> Arg {
        Arg::address(self.address_of(index))
    }

    /// The same to write to.
    pub(crate) fn at_mut(&mut self, index: usize) -> Arg {
        Arg::address(self.address_of(index))
    }

    pub(crate) fn address_of(&self, index: usize) -> u64 {
        assert!(index <= self.len, "element {index} of an array of {}", self.len);
        self.address + (index * self.element.size()) as u64
    }
}

/// Elements that a block of the kernels `cast_*` converts.
const CAST_PER_BLOCK: usize = 256 * 8;

impl Drop for Array {
    fn drop(&mut self) {
        self.gpu.give_back(self.address, self.bytes().max(1), self.lease.as_ref());
    }
}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} on {:?}", self.len, self.element.name(), self.gpu)
    }
}
