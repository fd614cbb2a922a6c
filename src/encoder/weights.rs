//! Named tensors of a safetensors file.

use ndarray::{Array1, Array2};
use safetensors::{Dtype, SafeTensors};

use super::EncoderError;

/// The tensors of a file, looked up by name, with or without the prefix `bert.`.
pub struct Weights<'a>(SafeTensors<'a>);

impl<'a> Weights<'a> {
    /// Reads the header of a safetensors file.
    ///
    /// # Errors
    /// Where the file is damaged or something else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EncoderError> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|e| EncoderError::Weights(e.to_string()))?;
        Ok(Self(tensors))
    }

    /// A vector of the given length.
    ///
    /// # Errors
    /// Where there is none of that name, of another shape, or not of 32-bit floats.
    pub fn vector(&self, name: &str, length: usize) -> Result<Array1<f32>, EncoderError> {
        Ok(Array1::from_vec(self.numbers(name, &[length])?))
    }

    /// A matrix of the given shape.
    ///
    /// # Errors
    /// As for [`Weights::vector`].
    pub fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Array2<f32>, EncoderError> {
        let numbers = self.numbers(name, &[rows, columns])?;
        Array2::from_shape_vec((rows, columns), numbers)
            .map_err(|e| EncoderError::Weights(format!("`{name}`: {e}")))
    }

    fn numbers(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, EncoderError> {
        let tensor = self
            .0
            .tensor(name)
            .or_else(|_| self.0.tensor(&format!("bert.{name}")))
            .map_err(|_| EncoderError::Missing(name.to_owned()))?;
        if tensor.shape() != expected {
            return Err(EncoderError::Shape {
                name: name.to_owned(),
                found: tensor.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        if tensor.dtype() != Dtype::F32 {
            return Err(EncoderError::Weights(format!(
                "`{name}` is stored as {:?}; only 32-bit floats (F32) are read",
                tensor.dtype()
            )));
        }
        let numbers: Vec<f32> = tensor
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if numbers.iter().all(|n| n.is_finite()) {
            Ok(numbers)
        } else {
            Err(EncoderError::Weights(format!("`{name}` holds a number that is not finite")))
        }
    }
}
