using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using CsCheck;

namespace Tailora.Tests;

/// <summary>Types at random, and the ways in which a host may have them read.</summary>
internal static class TypedFamily
{
    private static readonly Gen<Type> Leaves = Gen.OneOf(
        typeof(int), typeof(long), typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(uint), typeof(ulong),
        typeof(decimal), typeof(double), typeof(float), typeof(bool), typeof(char), typeof(string), typeof(DateTime), typeof(DateTimeOffset),
        typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(Guid), typeof(Grade), typeof(Marks), typeof(Uri), typeof(Version), typeof(byte[]),
        typeof(Shape), typeof(object), typeof(Half), typeof(Int128), typeof(UInt128), typeof(JsonElement));

    private static readonly Gen<Type> Keys = Gen.OneOf(
        typeof(string), typeof(int), typeof(byte), typeof(ulong), typeof(Guid), typeof(DateOnly), typeof(Grade));

    /// <summary>Each way of reading with its name.</summary>
    internal static IReadOnlyList<(string Name, JsonSerializerOptions Options)> Ways { get; } =
    [
        ("default", Way(new JsonSerializerOptions())),
        ("web", Way(new JsonSerializerOptions(JsonSerializerDefaults.Web))),
        ("named enums", Way(new JsonSerializerOptions { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) } })),
        ("strict", Way(new JsonSerializerOptions
        {
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true,
        })),
    ];

    /// <summary>Types that nest at most so deep.</summary>
    internal static Gen<Type> Types(int depth)
    {
        if (depth == 0)
        {
            return Leaves;
        }

        Gen<Type> inner = Types(depth - 1);
        IGen<Type>[] forms =
        [
            inner,
            inner.Select(type => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? typeof(Nullable<>).MakeGenericType(type) : type),
            inner.Select(type => typeof(List<>).MakeGenericType(type)),
            Gen.Select(Keys, inner, (key, type) => typeof(Dictionary<,>).MakeGenericType(key, type)),
            inner.Select(type => typeof(Tree<>).MakeGenericType(type)),
            Gen.Select(inner, inner, (first, second) => typeof(Pair<,>).MakeGenericType(first, second)),
            Gen.Select(inner, inner, Leaves, (first, second, third) => typeof(Mixed<,,>).MakeGenericType(first, second, third)),
        ];
        return Gen.OneOf(forms);
    }

    private static JsonSerializerOptions Way(JsonSerializerOptions options)
    {
        options.TypeInfoResolver = new DefaultJsonTypeInfoResolver();
        options.MakeReadOnly();
        return options;
    }
}

internal enum Grade
{
    Low = -3,
    Middle,
    HighPotential = 7,
}

[Flags]
internal enum Marks : byte
{
    None = 0,
    Seen = 1,
    Signed = 2,
    Done = Seen | Signed,
}

/// <summary>One of several records, which a member tells apart.</summary>
[JsonDerivedType(typeof(Circle), "circle")]
[JsonDerivedType(typeof(Square), "square")]
internal abstract record Shape(string? Label);

internal sealed record Circle(string? Label, byte Radius) : Shape(Label);

internal sealed record Square(string? Label, DateOnly Since) : Shape(Label);

internal sealed record Pair<TFirst, TSecond>(TFirst First, TSecond Second);

/// <summary>Contains itself.</summary>
internal sealed record Tree<T>(T Value, List<Tree<T>> Children, Tree<T>? Next);

/// <summary>Members of all sorts: required, optional, renamed, computed.</summary>
internal sealed class Mixed<TFirst, TSecond, TThird>
{
    public required TFirst First { get; set; }

    public TSecond? Second { get; init; }

    [JsonPropertyName("第三")]
    public TThird? Third { get; set; }

    public string Computed => $"{First} and {Second}";

    [JsonIgnore]
    public int Ignored { get; set; }
}
