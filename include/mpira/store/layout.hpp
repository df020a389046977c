#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

/// What a result file holds, in the terms of AnnData (https://anndata.readthedocs.io, on-disk format). Plain
/// data: neither HDF5 nor MPI is seen here, so jobs may describe their results with it.
namespace mpira::store {

enum class Type : std::uint8_t { boolean, u8, i32, i64, f16, f32, f64 };
std::uint64_t size_of(Type type);

/// A numeric array whose first axis is the rows of the file: "X", "layers/sd", "obsm/features", "obs/start".
/// Row-major; a row is `row_shape` values (empty: one value).
struct RowArray {
    std::string path;
    Type type = Type::f32;
    std::vector<std::uint64_t> row_shape;
    [[nodiscard]] std::uint64_t bytes_per_row() const;
};

/// An array whose first axis is not the rows: written once, at creation (from `values`) or by Job::finish
/// (then `values` is empty): "varm/scale", "uns/model_hash".
struct FixedArray {
    std::string path;
    Type type = Type::f32;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> values;
};

/// Shape and cut of a result file. Cheap to make and equal on every rank.
///
/// Unit u owns rows [u * rows_per_unit, min(rows, (u + 1) * rows_per_unit)) of every RowArray: one contiguous
/// byte range in each.
struct ResultLayout {
    std::string job;  ///< "lentimpra"
    std::uint64_t rows = 0;
    std::uint64_t rows_per_unit = 1;
    std::vector<RowArray> row_arrays;
    std::vector<FixedArray> fixed_arrays;
    /// What a resume must find unchanged, key by key: settings that affect the result, content hashes of the
    /// inputs.
    nlohmann::json identity;

    [[nodiscard]] std::uint64_t units() const { return (rows + rows_per_unit - 1) / rows_per_unit; }
    [[nodiscard]] std::uint64_t first_row(std::uint64_t unit) const { return unit * rows_per_unit; }
    [[nodiscard]] std::uint64_t row_count(std::uint64_t unit) const;
};

/// A column of strings; categorical when the same few values recur (group, chrom).
struct StringColumn {
    std::string name;
    std::vector<std::string> values;
    bool categorical = false;
};
struct IntegerColumn {
    std::string name;
    std::vector<std::int64_t> values;
};

/// obs or var: a data frame with its index. Numeric obs columns that units compute are RowArrays "obs/<name>"
/// instead.
struct Frame {
    std::string index_name = "name";
    std::vector<std::string> index;
    std::vector<StringColumn> strings;
    std::vector<IntegerColumn> integers;
};

/// Everything that is known when the file is created. Heavy (a name per row): made on the creating rank only.
struct ResultTables {
    Frame obs;
    Frame var;
    /// uns: nested objects of strings, numbers, booleans, and lists of one kind of them.
    nlohmann::json uns = nlohmann::json::object();
};

}  // namespace mpira::store
