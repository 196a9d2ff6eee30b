//! NVIDIA's driver, opened at run time: a machine without it runs the same binary, and nothing is opened until a
//! device is asked for.
//!
//! [`card`] looks without a context. [`Context::shared`] is the one context of the process (the card's primary one,
//! which other libraries share); a [`Stream`] does what it is given in order, and [`Memory`] is freed when dropped.

use crate::error::Error;
use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The library that a driver installs; `FOOTFALL_CUDA_DRIVER` names another file.
const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// What the PTX of the kernels needs: 12.1, from driver 530 on.
const OLDEST_VERSION: c_int = 12_010;
/// The oldest compute capability that it is for.
const OLDEST_CAPABILITY: (c_int, c_int) = (8, 0);

// From cuda.h.
const OUT_OF_MEMORY: c_int = 2;
const DEVICE_UNAVAILABLE: c_int = 46;
const NO_DEVICE: c_int = 100;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
const NON_BLOCKING: c_uint = 1;

type Handle = *mut c_void;
/// A place in the device's memory.
pub type Place = u64;

macro_rules! functions {
    ($($name:ident($($argument:ty),*) = $symbol:literal;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Functions {
            fn of(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: the types are those of cuda.h.
                unsafe { Ok(Functions { $($name: *library.get($symbol)?,)* }) }
            }
        }
    };
}

functions! {
    init(c_uint) = "cuInit";
    driver_version(*mut c_int) = "cuDriverGetVersion";
    device_count(*mut c_int) = "cuDeviceGetCount";
    device(*mut c_int, c_int) = "cuDeviceGet";
    device_name(*mut c_char, c_int, c_int) = "cuDeviceGetName";
    device_attribute(*mut c_int, c_int, c_int) = "cuDeviceGetAttribute";
    retain_context(*mut Handle, c_int) = "cuDevicePrimaryCtxRetain";
    set_context(Handle) = "cuCtxSetCurrent";
    memory(*mut usize, *mut usize) = "cuMemGetInfo_v2";
    load_module(*mut Handle, *const c_void) = "cuModuleLoadData";
    function(*mut Handle, Handle, *const c_char) = "cuModuleGetFunction";
    allocate(*mut Place, usize) = "cuMemAlloc_v2";
    free(Place) = "cuMemFree_v2";
    upload(Place, *const c_void, usize, Handle) = "cuMemcpyHtoDAsync_v2";
    download(*mut c_void, Place, usize, Handle) = "cuMemcpyDtoHAsync_v2";
    fill(Place, u8, usize, Handle) = "cuMemsetD8Async";
    create_stream(*mut Handle, c_uint) = "cuStreamCreate";
    destroy_stream(Handle) = "cuStreamDestroy_v2";
    wait(Handle) = "cuStreamSynchronize";
    launch(Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void) = "cuLaunchKernel";
    error_name(c_int, *mut *const c_char) = "cuGetErrorName";
    error_text(c_int, *mut *const c_char) = "cuGetErrorString";
}

struct Driver {
    functions: Functions,
    _library: Library,
}

fn device_error(text: impl std::fmt::Display) -> Error {
    Error::Device(format!("device 'cuda' {text}; use device 'cpu'"))
}

impl Driver {
    /// The driver of this machine. What failed once fails again: a driver is not installed under a running process.
    fn shared() -> Result<&'static Driver, Error> {
        static DRIVER: OnceLock<Result<Driver, Error>> = OnceLock::new();
        DRIVER.get_or_init(Driver::open).as_ref().map_err(Error::clone)
    }

    fn open() -> Result<Driver, Error> {
        let name = std::env::var("FOOTFALL_CUDA_DRIVER").unwrap_or_else(|_| LIBRARY.to_owned());
        let cannot = |error: libloading::Error| {
            // What the system's loader says is behind what ours says.
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            device_error(format!(
                "needs NVIDIA's driver, and {name} cannot be used here: {}",
                reason.lines().next().unwrap_or_default()
            ))
        };
        // SAFETY: the library is the driver's, or what the user has named instead.
        let library = unsafe { Library::new(&name) }.map_err(cannot)?;
        let functions = Functions::of(&library).map_err(cannot)?;
        let driver = Driver {
            functions,
            _library: library,
        };
        let mut version = 0;
        // SAFETY: a place for the number.
        driver.check("asked the driver for its version", unsafe {
            (driver.functions.driver_version)(&mut version)
        })?;
        if version < OLDEST_VERSION {
            let shown = |version: c_int| format!("{}.{}", version / 1000, version % 1000 / 10);
            return Err(device_error(format!(
                "needs a driver of CUDA {} or newer (530 on Linux), and the one here is of CUDA {}",
                shown(OLDEST_VERSION),
                shown(version)
            )));
        }
        // SAFETY: no flags are defined.
        match unsafe { (driver.functions.init)(0) } {
            NO_DEVICE => Err(device_error(format!(
                "finds no GPU here: {}",
                driver.message(NO_DEVICE)
            ))),
            code => driver.check("asked the driver to begin", code).map(|()| driver),
        }
    }

    /// Name and text of a result, as the driver gives them.
    fn message(&self, code: c_int) -> String {
        let text = |of: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = std::ptr::null();
            // SAFETY: what the driver gives lives as long as it does.
            match unsafe { of(code, &mut text) } {
                0 if !text.is_null() => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
                _ => format!("result {code}"),
            }
        };
        format!(
            "{} ({})",
            text(self.functions.error_name),
            text(self.functions.error_text)
        )
    }

    fn check(&self, what: &str, code: c_int) -> Result<(), Error> {
        match code {
            0 => Ok(()),
            _ => Err(device_error(format!("failed when it {what}: {}", self.message(code)))),
        }
    }

    /// The first card.
    fn card(&self) -> Result<(c_int, Card), Error> {
        let functions = &self.functions;
        let (mut n, mut device, mut major, mut minor) = (0, 0, 0, 0);
        let mut name = [0; 256];
        // SAFETY: places for the numbers, and a length that is the name's.
        unsafe {
            self.check("counted the GPUs", (functions.device_count)(&mut n))?;
            if n == 0 {
                return Err(device_error(format!("finds no GPU here: {}", self.message(NO_DEVICE))));
            }
            self.check("asked for the first GPU", (functions.device)(&mut device, 0))?;
            self.check(
                "asked for its name",
                (functions.device_name)(name.as_mut_ptr(), 255, device),
            )?;
            let attribute = functions.device_attribute;
            self.check(
                "asked for its capability",
                attribute(&mut major, CAPABILITY_MAJOR, device),
            )?;
            self.check(
                "asked for its capability",
                attribute(&mut minor, CAPABILITY_MINOR, device),
            )?;
        }
        // SAFETY: the last byte is none of those that were written.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        if (major, minor) < OLDEST_CAPABILITY {
            return Err(device_error(format!(
                "needs a GPU of compute capability 8.0 or newer (Ampere, 2020), and {name} has {major}.{minor}"
            )));
        }
        Ok((device, Card { name }))
    }
}

/// What is known of a card without a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// As its driver gives it, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
}

/// The card that computes here; opens no context.
///
/// # Errors
/// There is no driver, it is too old, or it knows no card that is new enough.
pub fn card() -> Result<Card, Error> {
    Ok(Driver::shared()?.card()?.1)
}

/// The context of this process.
pub struct Context {
    driver: &'static Driver,
    handle: Handle,
    card: Card,
}

// SAFETY: the driver may be called from every thread; a thread makes the context its own before each call.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    /// The context, opened by the first who asks. A failure is not kept: another process may leave the card.
    ///
    /// # Errors
    /// As [`card`], and when the card is taken or full.
    pub fn shared() -> Result<&'static Context, Error> {
        static OPEN: Mutex<Option<&'static Context>> = Mutex::new(None);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = *open {
            return Ok(context);
        }
        let context = Box::leak(Box::new(Context::open()?));
        *open = Some(context);
        Ok(context)
    }

    fn open() -> Result<Context, Error> {
        let driver = Driver::shared()?;
        let (device, card) = driver.card()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for the handle.
        match unsafe { (driver.functions.retain_context)(&mut handle, device) } {
            code @ DEVICE_UNAVAILABLE => Err(device_error(format!(
                "finds {} taken by another process (its compute mode allows one, or none): {}",
                card.name,
                driver.message(code)
            ))),
            code @ OUT_OF_MEMORY => Err(device_error(format!(
                "finds no memory for a context on {}, which other processes fill: {}",
                card.name,
                driver.message(code)
            ))),
            code => {
                driver.check(&format!("asked {} for a context", card.name), code)?;
                Ok(Context { driver, handle, card })
            }
        }
    }

    /// The card it is on.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Checks the result of a call, which is made in this context.
    fn call(&self, what: &str, call: impl FnOnce(&Functions) -> c_int) -> Result<(), Error> {
        let functions = &self.driver.functions;
        // SAFETY: the handle is never released.
        let code = match unsafe { (functions.set_context)(self.handle) } {
            0 => call(functions),
            code => code,
        };
        self.driver.check(what, code)
    }

    /// Bytes of the card that nobody holds.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn free_bytes(&self) -> Result<usize, Error> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: places for both.
        self.call("asked for free memory", |f| unsafe {
            (f.memory)(&mut free, &mut total)
        })?;
        Ok(free)
    }

    /// Kernels from PTX, each by its name. The module stays for good.
    ///
    /// # Errors
    /// When the driver cannot compile it, or knows no kernel of a name.
    pub fn kernels(&self, ptx: &CStr, names: &[String]) -> Result<Vec<Kernel>, Error> {
        let mut module = std::ptr::null_mut();
        // SAFETY: text that ends in a zero.
        self.call("loaded its kernels", |f| unsafe {
            (f.load_module)(&mut module, ptx.as_ptr().cast())
        })?;
        let kernel = |name: &String| {
            let text = CString::new(name.as_str()).map_err(|error| Error::Device(error.to_string()))?;
            let mut kernel = std::ptr::null_mut();
            let call = |f: &Functions| unsafe { (f.function)(&mut kernel, module, text.as_ptr()) };
            self.call(&format!("asked for the kernel {name}"), call)?;
            Ok(Kernel(kernel))
        };
        names.iter().map(kernel).collect()
    }

    /// Memory of the card, not set to anything.
    ///
    /// # Errors
    /// When it has less; nobody should ask without [`Context::free_bytes`].
    pub fn allocate(&'static self, bytes: usize) -> Result<Memory, Error> {
        let mut place = 0;
        // SAFETY: a place for the address.
        self.call("allocated memory", |f| unsafe {
            (f.allocate)(&mut place, bytes.max(1))
        })?;
        Ok(Memory {
            context: self,
            place,
            bytes,
        })
    }

    /// A stream that waits for no other.
    ///
    /// # Errors
    /// When the driver fails.
    pub fn stream(&'static self) -> Result<Stream, Error> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for the handle.
        self.call("made a stream", |f| unsafe {
            (f.create_stream)(&mut handle, NON_BLOCKING)
        })?;
        Ok(Stream { context: self, handle })
    }
}

/// A kernel of a module.
#[derive(Clone, Copy)]
pub struct Kernel(Handle);

// SAFETY: a name for something of the driver's.
unsafe impl Send for Kernel {}
unsafe impl Sync for Kernel {}

/// Memory of the card.
pub struct Memory {
    context: &'static Context,
    place: Place,
    bytes: usize,
}

impl Memory {
    /// Where it begins, a multiple of 256.
    pub fn place(&self) -> Place {
        self.place
    }

    fn holds(&self, place: Place, bytes: usize) -> bool {
        place >= self.place
            && place - self.place <= self.bytes as u64
            && bytes as u64 <= self.bytes as u64 - (place - self.place)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated once. A driver that fails here has failed before.
        let _ = self.context.call("freed memory", |f| unsafe { (f.free)(self.place) });
    }
}

/// Work in order.
pub struct Stream {
    context: &'static Context,
    handle: Handle,
}

// SAFETY: as of the context.
unsafe impl Send for Stream {}
unsafe impl Sync for Stream {}

/// Numbers that are what their bytes say.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for f32 {}
impl Plain for f64 {}

impl Stream {
    /// Copies values to a place within `memory`. They may change as soon as the call is over.
    ///
    /// # Errors
    /// When the driver fails.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn upload<T: Plain>(&self, memory: &Memory, place: Place, values: &[T]) -> Result<(), Error> {
        let bytes = size_of_val(values);
        assert!(memory.holds(place, bytes), "an upload beyond the memory");
        // SAFETY: both ends hold as many bytes. Of memory that is not pinned the driver takes a copy before it returns.
        self.context.call("uploaded data", |f| unsafe {
            (f.upload)(place, values.as_ptr().cast(), bytes, self.handle)
        })
    }

    /// Copies values from a place within `memory`, behind everything that was given before, and waits for them.
    ///
    /// # Errors
    /// When the driver, or a kernel before it, fails.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn download<T: Plain>(&self, memory: &Memory, place: Place, values: &mut [T]) -> Result<(), Error> {
        let bytes = size_of_val(values);
        assert!(memory.holds(place, bytes), "a download beyond the memory");
        // SAFETY: both ends hold as many bytes, and nobody reads them before the wait.
        self.context.call("computed", |f| unsafe {
            match (f.download)(values.as_mut_ptr().cast(), place, bytes, self.handle) {
                0 => (f.wait)(self.handle),
                code => code,
            }
        })
    }

    /// Sets bytes to zero.
    ///
    /// # Errors
    /// When the driver fails.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn clear(&self, memory: &Memory, place: Place, bytes: usize) -> Result<(), Error> {
        assert!(memory.holds(place, bytes), "a clearing beyond the memory");
        // SAFETY: the memory holds as many.
        self.context
            .call("cleared memory", |f| unsafe { (f.fill)(place, 0, bytes, self.handle) })
    }

    /// Starts a kernel with one argument.
    ///
    /// # Safety
    /// The kernel takes an argument of this type, and all that it does with it for such a grid is within memory that
    /// lives until the next [`Stream::download`].
    ///
    /// # Errors
    /// When the driver fails.
    pub unsafe fn launch<P>(
        &self,
        kernel: Kernel,
        grid: [usize; 2],
        threads: usize,
        argument: &P,
    ) -> Result<(), Error> {
        let size = |n: usize| c_uint::try_from(n).map_err(|_| Error::Device(format!("a grid of {n} blocks")));
        let (x, y, threads) = (size(grid[0])?, size(grid[1])?, size(threads)?);
        let mut arguments = [std::ptr::from_ref(argument).cast_mut().cast::<c_void>()];
        let (list, none) = (arguments.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: the driver copies the argument before it returns; for the rest the caller answers.
        self.context.call("started a kernel", |f| unsafe {
            (f.launch)(kernel.0, x, y, 1, threads, 1, 1, 0, self.handle, list, none)
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: made once. A driver that fails here has failed before.
        let _ = self
            .context
            .call("ended a stream", |f| unsafe { (f.destroy_stream)(self.handle) });
    }
}
