#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

/// What a result file holds, in the terms of AnnData (https://anndata.readthedocs.io, on-disk format). Plain
/// data: neither HDF5 nor MPI is seen here, so jobs may describe their results with it.
namespace mpira::store {

/// bf16: the upper half of a float32, in HDF5's terms a float of its own that h5py and anndata give as
/// float32.
enum class Type : std::uint8_t { boolean, u8, i32, i64, f16, bf16, f32, f64 };
std::uint64_t size_of(Type type);
bool is_float(Type type);

/// A numeric array whose first axis is the rows of the file: "X", "layers/sd", "obsm/features", "obs/start".
/// Row-major; a row is `row_shape` values (empty: one value).
struct RowArray {
    std::string path;
    Type type = Type::f32;
    std::vector<std::uint64_t> row_shape;
    /// The values of all rows follow each other on one axis: a part of a SparseMatrix.
    bool flat = false;
    [[nodiscard]] std::uint64_t bytes_per_row() const;
    /// Of the whole array: (rows, row_shape..), or (rows x values).
    [[nodiscard]] std::vector<std::uint64_t> shape(std::uint64_t rows) const;
};

/// An array whose first axis is not the rows ("varm/scale"): written once, at creation (from `values`) or by
/// Job::finish (then `values` is empty, and until then floating-point ones are not numbers).
struct FixedArray {
    std::string path;
    Type type = Type::f32;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> values;
};

/// "obsm/<name>", a CSR matrix of rows x `columns`. Every row has the same number of entries, which may be
/// explicit zeros: so a unit is one byte range in its parts, too. Made by add_sparse.
struct SparseMatrix {
    std::string path;
    std::uint64_t columns = 0;
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
    std::vector<SparseMatrix> sparse;
    /// What a resume must find unchanged, key by key: settings that affect the result, content hashes of the
    /// inputs.
    nlohmann::json identity;

    [[nodiscard]] std::uint64_t units() const { return (rows + rows_per_unit - 1) / rows_per_unit; }
    [[nodiscard]] std::uint64_t first_row(std::uint64_t unit) const { return unit * rows_per_unit; }
    [[nodiscard]] std::uint64_t row_count(std::uint64_t unit) const;
};

/// Adds a sparse matrix: the flat row arrays "<path>/data" and "<path>/indices" (i32), `entries` values a
/// row, and the fixed array "<path>/indptr". layout.rows must be set. Columns of a row should ascend.
void add_sparse(ResultLayout& layout, std::string const& path, Type type, std::uint64_t entries,
                std::uint64_t columns);

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
