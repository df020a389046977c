#pragma once

// HDF5 behind the store's door: no other layer includes this.
#include <cstdint>
#include <filesystem>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "mpira/store/layout.hpp"

namespace mpira::store::h5 {

/// Owner of an HDF5 id. All files here are local to the process (serial driver, or MPI-IO on MPI_COMM_SELF),
/// so closing waits for nobody and needs no care while an exception is passing. Move-only.
template <herr_t (*Close)(hid_t)>
class Handle {
public:
    Handle() = default;
    explicit Handle(hid_t owned) noexcept : id_(owned) {}
    Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    Handle(Handle const&) = delete;
    Handle& operator=(Handle const&) = delete;
    ~Handle() {
        if (id_ >= 0) Close(id_);
    }
    [[nodiscard]] hid_t get() const noexcept { return id_; }
    /// Closes now, so that an error is seen.
    [[nodiscard]] herr_t close() noexcept {
        return id_ >= 0 ? Close(std::exchange(id_, H5I_INVALID_HID)) : 0;
    }

private:
    hid_t id_ = H5I_INVALID_HID;
};
using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using Object = Handle<H5Oclose>;
using Dataset = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Datatype = Handle<H5Tclose>;
using Properties = Handle<H5Pclose>;
using Attribute = Handle<H5Aclose>;

/// Switches HDF5's own printing off (for the calling thread, in thread-safe builds). Cheap; called by
/// everything here that may be somebody's first use of HDF5.
void silence();

/// HDF5's error stack in one line: the outermost function, then the innermost reasons. Clears the stack.
std::string take_errors();

/// Throws Origin::hdf5 with the error stack when code is negative.
void check_code(std::int64_t code, std::string_view doing, std::source_location where);
template <typename Code>
Code check(Code code, std::string_view doing, std::source_location where = std::source_location::current()) {
    check_code(static_cast<std::int64_t>(code), doing, where);
    return code;
}

/// Opens for reading, serial driver, no file lock. A file that is missing, cut off or not HDF5 is a usage
/// error naming it.
File open_to_read(std::filesystem::path const& file);

/// The type of an array in the file, little-endian; boolean is the enum that h5py and anndata use.
Datatype stored_type(Type type);

/// The member `path` exists, by hard links only: a soft or external link could lead anywhere.
bool exists(hid_t at, std::string_view path);

/// An attribute that is one string, or "".
std::string text_attribute(hid_t object, char const* name);
/// Strings of a one-dimensional attribute.
std::vector<std::string> texts_attribute(hid_t object, char const* name);
void write_attribute(hid_t object, char const* name, std::string const& text);
void write_attribute(hid_t object, char const* name, std::vector<std::string> const& texts);
void write_attribute(hid_t object, char const* name, bool value);
/// encoding-type and encoding-version, AnnData's.
void write_encoding(hid_t object, char const* type, char const* version);

/// A variable-length UTF-8 string.
Datatype text_type();

std::vector<std::uint64_t> shape_of(hid_t dataset);

}  // namespace mpira::store::h5
