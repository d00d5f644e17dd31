using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Linq;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Tasks;
using CsCheck;
using Xunit;

namespace Tailora.Tests;

/// <summary>Values of types that models write: whatever the grammar admits can be read.</summary>
public partial class TypedTests(TypedTests.Loaded loaded) : IClassFixture<TypedTests.Loaded>
{
    private const string Line = "岗位:P7高级架构师,绩效:A/A-,潜力:高";

    /// <summary>Cases to try; 2,000 take some minutes, so that many only where the variable says so.</summary>
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("TAILORA_TYPED_CASES"), out int cases) ? cases : 200;

    private static readonly MethodInfo Generate = typeof(TypedTests).GetMethod(nameof(GenerateAsync), BindingFlags.Static | BindingFlags.NonPublic)!;

    [Fact]
    public async Task Whatever_is_generated_for_a_type_can_be_read_as_that()
    {
        using Session session = loaded.Model.CreateSession();
        int different = 0;
        await Gen.Select(TypedFamily.Types(2), Gen.Int[0, TypedFamily.Ways.Count - 1], Gen.ULong).SampleAsync(
            async sample =>
            {
                (Type type, int way, ulong seed) = sample;
                string text = await (Task<string>)Generate.MakeGenericMethod(type).Invoke(null, [session, TypedFamily.Ways[way].Options, seed])!;
                different += text.Length > 4 ? 1 : 0;
            },
            iter: Cases,
            threads: 1,
            print: sample => $"{sample.Item1} read as {TypedFamily.Ways[sample.Item2].Name}, seed {sample.Item3}");
        Assert.True(different > Cases / 2, $"only {different} of {Cases} texts say anything");
    }

    private static async Task<string> GenerateAsync<T>(Session session, JsonSerializerOptions options, ulong seed)
    {
        var type = (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T));
        GeneratedValue<T> result = await session.GenerateAsync("x", type, new GenerateOptions { Temperature = 2, Seed = seed, MaxTokens = 700 });
        return result.Generation.Text;
    }

    [Fact]
    public async Task A_value_comes_with_its_generation_and_follows_a_conversation_too()
    {
        using Session session = loaded.Model.CreateSession();
        var some = new GenerateOptions { MaxTokens = 120, Temperature = 1, Seed = 5 };
        GeneratedValue<Review> one = await session.GenerateAsync(Line, ReviewJson.Default.Review, some);
        Assert.Equal(one.Value, JsonSerializer.Deserialize(one.Generation.Text, ReviewJson.Default.Review));
        Assert.True(one.Generation.CompletionTokens > 0 && Enum.IsDefined(one.Value.Level));
        GeneratedValue<Review> chat = await session.GenerateAsync([new ChatMessage(ChatRole.User, Line)], ReviewJson.Default.Review, some);
        Assert.Equal(one, chat);
    }

    [Fact]
    public async Task A_report_has_a_document_of_its_type_whose_texts_are_conclusions()
    {
        using Session session = loaded.Model.CreateSession();
        TypedReport<Review> report = await session.GenerateReportAsync(
            Line, ReviewJson.Default.Review, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 120 } });
        Assert.Equal(report.Document, report.Report.Document!.Value.Deserialize(ReviewJson.Default.Review));
        Assert.Contains(report.Report.Conclusions, conclusion => conclusion.Text == report.Document.Summary);
        Assert.All(report.Report.Conclusions, conclusion => Assert.InRange(conclusion.Confidence!.Value, 0, 1));
    }

    [Fact]
    public void Schemas_are_tight_and_described()
    {
        JsonElement schema = TypeSchema.Of(ReviewJson.Default.Review);
        Assert.Equal("一句话的结论", schema.GetProperty("properties").GetProperty("summary").GetProperty("description").GetString());
        Assert.Equal(int.MaxValue, schema.GetProperty("properties").GetProperty("score").GetProperty("maximum").GetInt32());
        Assert.Equal(["Low", "High"], schema.GetProperty("properties").GetProperty("level").GetProperty("enum").EnumerateArray().Select(level => level.GetString()));
        Assert.False(schema.GetProperty("additionalProperties").GetBoolean());
        Assert.False(schema.GetProperty("properties").TryGetProperty("short", out _));
        Assert.Equal(schema, TypeSchema.Of(ReviewJson.Default.Review)); // made once
    }

    [Fact]
    public async Task A_type_that_cannot_be_generated_is_named()
    {
        using Session session = loaded.Model.CreateSession();
        async Task RefusedAsync<T>(string why)
        {
            var type = (JsonTypeInfo<T>)TypedFamily.Ways[0].Options.GetTypeInfo(typeof(T));
            var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync("x", type));
            Assert.Equal(TailoraErrorCode.Schema, error.Code);
            Assert.Contains(typeof(T).ToString(), error.Message, StringComparison.Ordinal);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<TailoraException>(() => session.GenerateReportAsync(Line, type));
        }

        await RefusedAsync<Endless>("never ends");
        await RefusedAsync<Converted>("converter");
        await RefusedAsync<Dictionary<bool, int>>("keys");
        await RefusedAsync<Nothing>("");
        await RefusedAsync<IntPtr>("IntPtr");
        await Assert.ThrowsAsync<ArgumentNullException>(() => session.GenerateAsync("x", (JsonTypeInfo<int>)null!));
    }

    /// <summary>The bundled model.</summary>
    public sealed class Loaded : IDisposable
    {
        internal LanguageModel Model { get; } = LanguageModel.Load(Repository.Model);

        /// <inheritdoc/>
        public void Dispose() => Model.Dispose();
    }

    internal enum Level
    {
        Low,
        High,
    }

    internal enum Nothing
    {
    }

    internal sealed record Review([property: Description("一句话的结论")] string Summary, int Score, Level Level, DateOnly? Until)
    {
        public string Short => Summary.Length > 5 ? Summary[..5] : Summary;
    }

    internal sealed class Endless
    {
        public required Endless Next { get; set; }
    }

    [JsonConverter(typeof(Converter))]
    internal sealed record Converted(int Value)
    {
        private sealed class Converter : JsonConverter<Converted>
        {
            public override Converted Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt32() / 2);

            public override void Write(Utf8JsonWriter writer, Converted value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value * 2);
        }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
    [JsonSerializable(typeof(Review))]
    internal sealed partial class ReviewJson : JsonSerializerContext;
}
