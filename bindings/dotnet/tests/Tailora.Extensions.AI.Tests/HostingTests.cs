using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tailora.Extensions.AI;
using Xunit;

namespace Tailora.Tests;

/// <summary>Models as services of a host.</summary>
[Collection(ServedCollection.Name)]
public class HostingTests(Served served)
{
    private static readonly ChatOptions Short = new() { MaxOutputTokens = 4 };

    [Fact]
    public async Task Models_of_a_configuration_have_keys_and_are_warm_when_the_host_has_started()
    {
        using var folder = new TemporaryFolder();
        served.Adapter.Save(folder.FullName);
        string expected = (await served.Client.GetResponseAsync(Served.Line, Short)).Text;
        string other = (await served.Client.GetResponseAsync(Served.Line, Short.Clone().WithAdapters((served.Adapter, 3)))).Text;
        long before = TailoraNative.LiveHandles;
        HostApplicationBuilder builder = Builder(out Recorder log);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Tailora:ModelPath"] = Repository.Model,
            ["Tailora:Model:Name"] = "plain",
            ["Tailora:Chat:MaxQueue"] = "5",
            ["Tailora:Models:hr:ModelPath"] = Repository.Model,
            ["Tailora:Models:hr:Model:Name"] = "tuned",
            ["Tailora:Models:hr:Adapters:0:Path"] = folder.FullName,
            ["Tailora:Models:hr:Adapters:0:Scale"] = "3",
        });
        builder.Services.AddTailora(builder.Configuration.GetSection("Tailora"));
        using (IHost host = builder.Build())
        {
            await host.StartAsync();
            TailoraHealthReport health = host.Services.GetRequiredService<TailoraHealth>().Check();
            Assert.True(health.IsHealthy, health.Description);
            Assert.Equal(["", "hr"], health.Models.Select(model => model.Key).Order());
            Assert.Equal(5, health.Models.Single(model => model.Key.Length == 0).MaxQueue);
            var plain = host.Services.GetRequiredService<IChatClient>();
            var tuned = host.Services.GetRequiredKeyedService<IChatClient>("hr");
            Assert.Equal("plain", plain.GetRequiredService<ChatClientMetadata>().DefaultModelId);
            Assert.Equal("tuned", tuned.GetRequiredService<ChatClientMetadata>().DefaultModelId);
            Assert.Same(tuned.GetService<LanguageModel>(), host.Services.GetRequiredKeyedService<LanguageModel>("hr"));
            Assert.Same(plain, host.Services.GetRequiredService<TailoraChatClient>());
            Assert.Equal(expected, (await plain.GetResponseAsync(Served.Line, Short)).Text);
            Assert.Equal(other, (await tuned.GetResponseAsync(Served.Line, Short)).Text);
            await host.StopAsync();
        }

        Assert.Contains(log.Records, record => record.Category.StartsWith("Tailora.", StringComparison.Ordinal) && record.Level == LogLevel.Information);
        await Work.EventuallyAsync(() => TailoraNative.LiveHandles <= before);
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_stops_the_host_or_is_unhealthy()
    {
        HostApplicationBuilder strict = Builder(out _);
        strict.Services.AddTailora(options => options.ModelPath = "no/such/model");
        using IHost stopped = strict.Build();
        await Assert.ThrowsAsync<ModelLoadException>(() => stopped.StartAsync());

        HostApplicationBuilder lenient = Builder(out Recorder log);
        lenient.Services.AddTailora("hr", options => (options.ModelPath, options.WarmUp) = ("no/such/model", TailoraWarmUp.Background));
        lenient.Services.AddHealthChecks().AddCheck<ModelsCheck>("models");
        using IHost host = lenient.Build();
        await host.StartAsync();
        TailoraHealth health = host.Services.GetRequiredService<TailoraHealth>();
        await Work.EventuallyAsync(() => health.Check().Models[0].State == TailoraModelState.Failed);
        Assert.False(health.Check().IsHealthy);
        Assert.Contains("no/such/model", health.Check().Models[0].Error, StringComparison.Ordinal);
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        Assert.Contains("no/such/model", report.Entries["models"].Description, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ModelLoadException>(() => host.Services.GetRequiredKeyedService<IChatClient>("hr").GetResponseAsync("x"));
        await Work.EventuallyAsync(() => log.Records.Any(record => record.Category == "Tailora.WarmUp"));
        await host.StopAsync();
    }

    [Fact]
    public async Task A_model_may_wait_for_its_first_call()
    {
        var services = new ServiceCollection();
        services.AddTailora("hr", options => (options.ModelPath, options.WarmUp) = (Repository.Model, TailoraWarmUp.None));
        await using ServiceProvider provider = services.BuildServiceProvider();
        TailoraHealth health = provider.GetRequiredService<TailoraHealth>();
        Assert.Equal((true, TailoraModelState.NotLoaded), (health.Check().IsHealthy, health.Check().Models[0].State));
        var client = provider.GetRequiredKeyedService<IChatClient>("hr");
        Assert.Null(client.GetService<LanguageModel>());
        ChatResponse[] answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => client.GetResponseAsync(Served.Line, Short)));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
        Assert.Equal(TailoraModelState.Ready, health.Check().Models[0].State);
    }

    [Fact]
    public void Mistakes_are_named()
    {
        var services = new ServiceCollection();
        services.AddTailora(_ => { }).AddTailora("hr", _ => { });
        Assert.Throws<InvalidOperationException>(() => services.AddTailora(_ => { }));
        Assert.Throws<InvalidOperationException>(() => services.AddTailora("hr", _ => { }));
        Assert.Throws<ArgumentException>(() => services.AddTailora("", _ => { }));
        Assert.Throws<ArgumentException>(() => services.AddTailora(new ConfigurationBuilder().Build()));
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Contains("ModelPath", Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IChatClient>()).Message, StringComparison.Ordinal);
    }

    private static HostApplicationBuilder Builder(out Recorder log)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        log = new Recorder();
        builder.Logging.AddProvider(log);
        return builder;
    }

    /// <summary>The README's lines for ASP.NET Core.</summary>
    private sealed class ModelsCheck(TailoraHealth health) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            TailoraHealthReport report = health.Check();
            return Task.FromResult(new HealthCheckResult(
                report.IsHealthy ? HealthStatus.Healthy : context.Registration.FailureStatus, report.Description));
        }
    }

    private sealed class Recorder : ILoggerProvider
    {
        internal ConcurrentQueue<(string Category, LogLevel Level, string Message)> Records { get; } = new();

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(Recorder owner, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                owner.Records.Enqueue((category, logLevel, formatter(state, exception)));
        }
    }
}
