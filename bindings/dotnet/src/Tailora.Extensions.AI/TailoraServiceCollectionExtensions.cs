using System;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Tailora;
using Tailora.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Registers models: each is loaded once and gives an <see cref="IChatClient"/>, a <see cref="TailoraChatClient"/> and a
/// <see cref="LanguageModel"/>, under its key if it has one. <see cref="TailoraHealth"/> says how they are, and the native library's log
/// records go to the host's loggers, in categories that begin with <c>Tailora</c>.
/// </summary>
public static class TailoraServiceCollectionExtensions
{
    /// <summary>Registers a model.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Says which model, and how it is served.</param>
    public static IServiceCollection AddTailora(this IServiceCollection services, Action<TailoraHostOptions> configure) =>
        Add(services, "", configure ?? throw new ArgumentNullException(nameof(configure)));

    /// <summary>Registers a model under a key, as <c>[FromKeyedServices("hr")] IChatClient</c> asks for it.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="key">The key.</param>
    /// <param name="configure">Says which model, and how it is served.</param>
    public static IServiceCollection AddTailora(this IServiceCollection services, string key, Action<TailoraHostOptions> configure) =>
        string.IsNullOrEmpty(key)
            ? throw new ArgumentException("A key has at least one character.", nameof(key))
            : Add(services, key, configure ?? throw new ArgumentNullException(nameof(configure)));

    /// <summary>
    /// Registers the models of a configuration section: its own <see cref="TailoraHostOptions.ModelPath"/>, if it has one, and each section of
    /// <c>Models</c>, whose name is the key.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configuration">A section of the shape of <see cref="TailoraHostOptions"/>.</param>
    /// <exception cref="ArgumentException">The section names no model.</exception>
    public static IServiceCollection AddTailora(this IServiceCollection services, IConfiguration configuration)
    {
        _ = configuration ?? throw new ArgumentNullException(nameof(configuration));
        IConfigurationSection[] keyed = [.. configuration.GetSection("Models").GetChildren()];
        bool own = configuration[nameof(TailoraHostOptions.ModelPath)] is not null;
        if (!own && keyed.Length == 0)
        {
            throw new ArgumentException("The configuration section has neither `ModelPath` nor `Models`.", nameof(configuration));
        }

        foreach (IConfigurationSection section in keyed)
        {
            services.AddTailora(section.Key, options => section.Bind(options));
        }

        return own ? services.AddTailora(options => configuration.Bind(options)) : services;
    }

    private static IServiceCollection Add(IServiceCollection services, string key, Action<TailoraHostOptions> configure)
    {
        _ = services ?? throw new ArgumentNullException(nameof(services));
        if (services.Any(service => service.ServiceType == typeof(ModelHost) && Equals(service.ServiceKey, key)))
        {
            throw new InvalidOperationException(key.Length == 0 ? "A model without a key is registered already." : $"A model is registered under `{key}` already.");
        }

        services.AddOptions<TailoraHostOptions>(key).Configure(configure)
            .Validate(options => options.ModelPath.Length > 0, $"Tailora{(key.Length == 0 ? "" : $" `{key}`")}: ModelPath is missing.")
            .Validate(options => options.Chat.MaxConcurrency >= 1 && options.Chat.MaxQueue >= 0, "Tailora: MaxConcurrency begins at 1, MaxQueue at 0.");
        services.TryAddSingleton(provider => new LoggerBridge(provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance));
        services.TryAddSingleton(provider => new TailoraHealth(provider.GetServices<ModelHost>()));
        services.AddKeyedSingleton(key, (provider, _) => new ModelHost(
            key, provider.GetRequiredService<IOptionsMonitor<TailoraHostOptions>>().Get(key), provider.GetRequiredService<LoggerBridge>()));
        services.AddSingleton(provider => Host(provider, key));
        services.AddSingleton<IHostedService>(provider => new WarmUpService(
            Host(provider, key), (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger("Tailora.WarmUp")));
        Give<IChatClient>(services, key, host => host.Client);
        Give(services, key, host => host.Client);
        Give(services, key, host => host.LoadAsync(CancellationToken.None).GetAwaiter().GetResult().Model);
        return services;
    }

    private static void Give<T>(IServiceCollection services, string key, Func<ModelHost, T> service)
        where T : class
    {
        if (key.Length == 0)
        {
            services.AddSingleton(provider => service(Host(provider, key)));
        }
        else
        {
            services.AddKeyedSingleton(key, (provider, _) => service(Host(provider, key)));
        }
    }

    private static ModelHost Host(IServiceProvider provider, string key) => provider.GetRequiredKeyedService<ModelHost>(key);
}
