#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/store/layout.hpp"

#include "store/hdf5.hpp"

/// Writes the parts of an AnnData file that have attributes and strings, serially, with no time stamps: the
/// same content gives the same bytes. Groups on the way to a path are made as AnnData dicts.
namespace mpira::store::h5 {

/// Properties of a new dataset: contiguous, allocated at once, never filled.
Properties contiguous();
/// The same, chunked and compressed with shuffle and gzip.
Properties compressed(std::vector<std::uint64_t> const& chunk, int level);

Group make_group(hid_t file, std::string const& path, char const* encoding, char const* version);
/// The group of a CSR matrix, with its shape; data, indices and indptr are the caller's.
Group make_sparse_group(hid_t file, std::string const& path, std::uint64_t rows, std::uint64_t columns);
/// Makes the groups above `path` that are missing.
void make_parents(hid_t file, std::string const& path);

/// A numeric dataset with AnnData's encoding (a scalar one for an empty shape). Its values are not written.
Dataset make_array(hid_t file, std::string const& path, Type type, std::vector<std::uint64_t> const& shape,
                   Properties const& plan = contiguous());
void write_strings(hid_t file, std::string const& path, std::vector<std::string> const& values);
void write_categorical(hid_t file, std::string const& path, std::vector<std::string> const& values);
void write_integers(hid_t file, std::string const& path, std::vector<std::int64_t> const& values);
void write_scalar(hid_t file, std::string const& path, std::string const& value);
void write_scalar(hid_t file, std::string const& path, bool value);
void write_scalar(hid_t file, std::string const& path, std::int64_t value);
void write_scalar(hid_t file, std::string const& path, double value);

/// Objects become dicts, lists of one kind arrays, null is left out. Throws Origin::internal for a list of
/// lists or objects, or a key with a slash.
void write_json(hid_t file, std::string const& path, nlohmann::json const& value);

/// obs or var. `more` are the names of columns made by others, after the frame's own.
void write_frame(hid_t file, std::string const& path, Frame const& frame,
                 std::vector<std::string> const& more);

}  // namespace mpira::store::h5
